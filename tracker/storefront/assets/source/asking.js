// Asking: when something happened that can change the answer, and what it was goes with the question.
import { later } from "./basics.js";
import { age, now, options, spell, tell } from "./ground.js";
import { drawn, show } from "./popup.js";
import { failures, flush } from "./sending.js";
import { isHomeless } from "./storage.js";
import { active, edit, session } from "./visit.js";
import { post } from "./wire.js";

const idle = (options.idle || 20) * 1e3;
const GAP = Math.min(idle, 2e4); // between two questions at least, and after a change of the cart

let waiting = 0; // the timer of stillness
let isAsking; // a question has no answer yet
let isCartNew; // has the cart changed since the last question?

// Counts the stillness anew, after every act.
export const wait = (ms = isCartNew ? GAP : idle) => {
  clearTimeout(waiting);
  waiting = later(() => {
    ask(isCartNew ? "cart" : "idle");
    if (ms < idle * 6) wait(ms > idle ? idle * 6 : idle * 2); // at 20, 60 and 180 s
  }, ms);
};

export const cartChanged = () => {
  isCartNew = true;
  wait();
};

export const ask = (why) => {
  if (!active || isAsking || drawn || document.hidden || options.ask === "off") return;
  if (!options.consent && window.Shopify && !Shopify.customerPrivacy.marketingAllowed()) return;
  const { next, quiet, asks = 0, asked, why: last } = session();
  const isLeaving = why === "exit";
  // What is decided already need not be decided again. Leaving waits for nothing.
  if (next) return isLeaving && show(isLeaving);
  // What no page remembers would come again on the next.
  if (isHomeless() || age(quiet) < 12e4 || asks > 7) return;
  if (age(asked) < GAP && (!isLeaving || last === why)) return;
  isCartNew = false;
  isAsking = true;
  edit((state) => Object.assign(state, { asked: now(), asks: asks + 1, why, open: 1 }));
  const done = () => (isAsking = false);
  question(why).then(done, done);
};

const days = (moment) => moment && Math.floor(age(moment) / 864e5);

const question = async (why) => {
  await flush();
  if (!active || failures) return;
  const { id, items, seen, buys, bought } = session();
  // What this browser was shown, for the service to heed: [message, days ago, times dismissed, days since then].
  const messages = Object.keys(seen).map((key) => [key, days(seen[key][0]), seen[key][1], days(seen[key][2])]);
  const memory = { messages, buys, bought: days(bought) };
  const [, text] = await post("askai", spell({ session: id, why, memory }));
  const decision = JSON.parse(text);
  if (!active || !decision.ok) return;
  const isWanted = tell("decision", decision);
  edit((state) => {
    delete state.open;
    state.offered = decision.offered ?? state.offered;
    // It is kept with the visit, so that the next page can draw it.
    if (decision.show_popup)
      state.next = { decision, items, theme: !isWanted, at: now() + (why === "exit" ? 0 : Math.min(decision.delay_ms, 1e4)) };
  });
  show();
};

// A new page draws what was decided, asks because the shopper turned away, or for an answer that came too late.
export const goOn = (dwell) => {
  const { why, next, open } = session();
  if (next) later(show, 1e3);
  else if (dwell >= 1e4) later(() => ask("turn_away"), 1e3);
  else if (open) {
    edit((state) => delete state.asked);
    ask(why);
  }
};
