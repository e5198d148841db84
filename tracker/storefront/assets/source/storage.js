// Where things are kept: localStorage, else sessionStorage, else this page's memory. A store that is full, blocked, or
// replaced by something else is passed over.
import { safely } from "./basics.js";
import { KEY, spell } from "./ground.js";

// An object that only looks like a store would forget everything with the page.
const HOMES = [() => localStorage, () => sessionStorage].map((home) =>
  safely((work) => /Storage/.test(home()) && work(home())),
);
let memory = {};

export const read = safely((key) =>
  JSON.parse(memory[key] || HOMES.map((inside) => inside((store) => store[key])).find((text) => text)),
);

// With no value the key is taken out.
export const write = (key, value) => {
  let text = value && spell(value);
  for (const inside of HOMES)
    if (text && inside((store) => (store[key] = text) && store[key] === text)) text = 0;
    else inside((store) => delete store[key]); // a store that takes no more would go on with the old text
  memory[key] = text;
};

export const each = (work) => {
  for (const inside of HOMES)
    inside((store) => Object.keys(store).forEach((key) => key.startsWith(KEY) && work(key)));
};
export const clear = () => {
  memory = {};
  each((key) => write(key));
};

// Nothing outlives this page: a popup could come again on the next one.
export const isHomeless = () => memory[KEY];
