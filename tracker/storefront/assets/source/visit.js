// The visit: one record in storage that all tabs share, this page's queue of events, and what is kept over visits.
import { root, safely } from "./basics.js";
import { age, KEY, now, ticks } from "./ground.js";
import { isSign } from "./moments.js";
import { arrival, page } from "./names.js";
import { clear, each, read, write } from "./storage.js";

const HALF_HOUR = 18e5;
const ID = /^[\w.-]{8,64}$/;

let number = Math.floor(Math.random() * 1e6) * 1e3; // of the next event: tells equal events apart
export const own = KEY + "." + number; // this page's queue: no other page writes it
export let queue = []; // [session id, page, event] of every event without an answer
export let active;
export let here; // the page whose time is counted
export let since = 0; // when that counting began, 0 while nobody sees it
let dwell = 0; // milliseconds that this page was seen since it was opened
let recorded; // called after every event

export const onRecord = (work) => (recorded = work);

// The entries of an object, and none of what should have been one.
const entries = (value) => (value && typeof value === "object" ? Object.entries(value) : []);

// The record as it is stored. Whatever else may have written there: counts are whole numbers, objects are objects.
export const stored = () => {
  const found = Object.fromEntries(entries(read(KEY)));
  if (!ID.test((found.id = "" + (found.id ?? "")))) return { seen: {} };
  for (const key of ["visit", "lot", "items", "asks", "buys"]) if (key in found) found[key] >>>= 0;
  for (const key of ["offered", "won"]) if (found[key]) found[key] = ("" + found[key]).slice(0, 40);
  found.times = Object.fromEntries(entries(found.times).slice(-50));
  found.seen = Object.fromEntries(entries(found.seen).filter(([, one]) => one?.map).slice(-30));
  return found;
};

// A new visit after half an hour without an act, after a day, or where the clock was set back.
export const session = () => {
  const found = stored();
  const { last, start, visit = 0, lot, offered, won = offered, buys = 0, bought, seen } = found;
  if (age(last) < HALF_HOUR && age(start) < 864e5) return found;
  const moment = now();
  if (since) since = ticks();
  write(KEY, {
    id: safely(() => crypto.randomUUID())() || crypto.getRandomValues(new Uint32Array(4)).join("-"),
    start: moment,
    last: moment,
    visit: visit + 1,
    lot: lot < 1e3 ? lot : Math.floor(Math.random() * 1e3), // one of a thousand groups: names nobody
    offered: won, // the epoch in which this browser was offered a popup in an earlier visit
    buys,
    bought,
    seen,
  });
  view();
  return stored();
};

// Change the record; `isQuiet` begins no visit.
export const edit = (change, isQuiet) => {
  const found = isQuiet ? stored() : session();
  if (found.id) {
    change(found);
    write(KEY, found);
  }
  return found;
};

// Put the time that this page was seen since the last call into the record. Time alone begins no visit.
export const count = () =>
  edit((found) => {
    if (since && here) {
      const ms = Math.min(ticks() - since, HALF_HOUR);
      since = ticks();
      found.times[here] = Math.round((found.times[here] || 0) + ms);
      found.page = here;
      found.dwell = dwell += ms;
    }
    // The service goes by the newest of these: within a visit they only rise.
    found.clock = Math.max(now(), age(found.clock) < HALF_HOUR && found.clock + 1);
  }, true);

export const save = (batch = []) => {
  queue = queue.filter((item) => !batch.includes(item));
  write(own, queue[0] && queue);
};

// `isQuiet`: done by the popup, not by the shopper. It does not lengthen the visit.
export const record = (type, more, isQuiet) => {
  if (!active) return;
  const { id } = edit((state) => {
    if (isQuiet) return;
    state.last = now();
    if (isSign(type, here, more?.target, here in state.times)) state.sign = 1;
  }, isQuiet);
  queue.push([id, here, { type, ts: now(), n: number++, ...more }]);
  queue = queue.slice(-1e3); // an hour offline is about 300
  if (queue.length < 99) save(); // a long one costs milliseconds: it is kept with each try to send, and on leaving
  recorded(isQuiet);
};

const view = (nav) => {
  const { visit, buys } = stored();
  record("view", { nav, visit, buys, locale: root.lang || navigator.language, ...(nav || arrival()) });
};

// Note the page that is open now, where it is another than before; says how long a shopper looked for an answer on the
// last one, and undefined where it is the same. Nobody's visit has a step that nobody saw.
export const look = (nav) => {
  const path = page(location.pathname);
  if (!active || document.hidden || (path === here && nav !== "back")) return;
  count();
  const before = stored();
  here = path;
  dwell = 0;
  if (session().id === before.id) view(nav);
  return /^\/(policies|pages|search|cart)\b/.test(before.page) && path !== before.page ? before.dwell : 0;
};

export const watch = (yes) => (since = yes && ticks());

// Events of a page that is gone, or of another tab: both may send them, since a repeat adds nothing.
export const adopt = () => {
  each((key) => {
    if (key === KEY || key === own) return;
    const items = entries(read(key)).map(([, item]) => item);
    queue.unshift(...items.filter((item) => item && ID.test(item[0]) && item[2]?.type));
    write(key);
  });
  save();
};

export const beginVisit = () => (active = true);
// Forget everything; returns the id of the visit that there was.
export const endVisit = () => {
  const { id } = stored();
  active = false;
  queue = [];
  here = undefined;
  since = 0;
  clear();
  return id;
};
