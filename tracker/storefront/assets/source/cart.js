// The cart: read again whenever something may have changed it. The difference is the event.
import { later } from "./basics.js";
import { shop } from "./names.js";
import { active, edit, record } from "./visit.js";
import { request } from "./wire.js";

let reading = 0;
let again = 0;
let isActed; // has this page changed the cart?
let isRefused; // was a code refused when the cart was last read?
let changed; // called after the first look and after each change
export let codes = []; // those that are applied: for a link that adds one

export const onChange = (work) => (changed = work);

export const readSoon = (ms = 100) => {
  if (active && window.Shopify) reading ||= later(readCart, ms);
};

// A click may change the cart in ways that nothing tells of: an answer that nobody reads leaves no trace. So it is read
// when the shop has had time for it, and once more where it is slow.
export const readAfter = () => {
  clearTimeout(again);
  readSoon(900);
  again = later(readSoon, 4e3);
};

export const edited = () => {
  isActed = true;
  readSoon();
};

const readCart = async () => {
  reading = 0;
  const [, text] = await request(shop() + "cart.js");
  // A locked shop answers with a page.
  if (!active || !text.startsWith("{")) return;
  const { item_count: items, discount_codes: given = [], items: lines = [], total_price: total, currency } = JSON.parse(text);
  codes = given.filter((one) => one.applicable).map((one) => one.code);
  const refused = codes.length < given.length;
  if (refused && isRefused === false) record("discount_refused");
  isRefused = refused;
  let was;
  edit((state) => {
    was = state.items;
    state.items = items;
  });
  // The first look of a visit may come too late to see it change.
  const isFirst = was === undefined;
  was ??= isActed ? 0 : items;
  if (was !== items) {
    edit((state) => (state.isNew = 1)); // since the last question
    // `total` in minor units; `duplicates`: lines of a product that is in the cart already.
    const duplicates = lines.length - new Set(lines.map((line) => line.product_id)).size;
    record(items > was ? "add_to_cart" : "remove_from_cart", { items, was, total, currency, duplicates });
  }
  if (isFirst || was !== items) changed();
};
