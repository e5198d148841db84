// Sending: soon after a change, and every event is kept until the service has answered.
import { later } from "./basics.js";
import { now, spell, tell } from "./ground.js";
import { active, count, queue, save, since } from "./visit.js";
import { beam, post } from "./wire.js";

let timer = 0;
let sending = 0;
export let failures = 0;
let ensure; // called before anything is sent
let erased; // the id of a visit that the service is to forget

export const onSend = (work) => (ensure = work);

// The next body: the events of the oldest visit in the queue, as many as fit.
const pack = () => {
  const { id, lot, offered, items, times, clock } = count();
  const session = queue[0]?.[0] || id;
  const events = {};
  let text = "";
  const batch = queue.filter((item) => {
    if (item[0] !== session || text.length > 9e3) return; // with three bytes a character, and all times: under 48 KiB
    const one = spell(item);
    // Adopting can bring an event twice, and twice in one body would count as two.
    if (!text.includes(one)) (events[item[1]] ||= []).push(item[2]);
    text += one;
    return true;
  });
  const known = session === id && { itemsInCart: items, timeOnPage: times };
  return [spell({ session, lot, offered, events, sentAt: known ? clock : now(), ...known }), batch];
};

const drain = async () => {
  clearTimeout(timer);
  timer = 0;
  do {
    ensure(); // what was allowed may be so no more
    if (!active) return;
    const [body, batch] = pack();
    const [status, text] = await post("ingest", body);
    if (!active) return;
    // A page that answers in the service's place, as a hotel's network does, has taken nothing in.
    const isTaken = status === 200 && (!text || text.includes('"saved"'));
    if (!isTaken && ![400, 413, 422].includes(status)) {
      save();
      timer = later(flush, (2e3 + Math.random() * 500) * 2 ** failures++);
      return;
    }
    failures = 0;
    save(batch);
    if (isTaken) tell("sent", body);
  } while (queue[0]);
};

const done = () => (sending = 0);
export const flush = () => (sending ||= drain().then(done, done));

export const soon = () => {
  timer ||= later(flush, 1e3);
};

export const hurry = () => {
  clearTimeout(timer);
  timer = queue[0] && later(flush, 100);
};

// After consent was withdrawn the service is told, until it has heard.
export const erase = async (id) => {
  if (!id) return;
  erased = id;
  await sending; // what is under way would make the record anew
  const [status] = await post("forget", id);
  if (status === 200) erased = 0;
  else later(() => erase(id), 1e4);
};

// The page goes out of sight, perhaps for ever. The events stay in the queue.
export const leave = () => {
  if (erased) beam("forget", erased);
  if (!active || !since) return;
  const [body] = pack();
  save();
  beam("ingest", body);
};
