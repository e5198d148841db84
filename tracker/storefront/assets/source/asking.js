// Asking: at the moments of a table that the service has as well, and what the moment was goes with the question.
import { later } from "./basics.js";
import { age, now, options, spell, tell, ticks } from "./ground.js";
import { MOMENTS, PACE, SECOND } from "./moments.js";
import { drawn, show } from "./popup.js";
import { failures, flush } from "./sending.js";
import { isHomeless } from "./storage.js";
import { active, edit, own, session, stored } from "./visit.js";
import { post } from "./wire.js";

let waiting = 0; // the timer of stillness
let isAsking; // a question has no answer yet

// Counts the stillness anew, after every act; a stillness without a sign and without a cart is no moment.
export const wait = (step = 0, acted = ticks()) => {
  clearTimeout(waiting);
  const still = MOMENTS.still[step];
  if (!still || !active) return;
  const { asked } = stored();
  const rest = MOMENTS.gap * PACE - age(asked);
  waiting = later(
    () => {
      const { sign, items, isNew } = stored();
      if (sign || items) ask(isNew ? "cart" : "idle");
      wait(step + 1, acted);
    },
    Math.max(acted + still * PACE - ticks(), rest),
  );
};

export const ask = (why) => {
  if (!active || isAsking || drawn || document.hidden || options.ask === "off") return;
  if (!options.consent && window.Shopify && !Shopify.customerPrivacy.marketingAllowed()) return;
  const { next, quiet, asks = 0, asked, start } = session();
  // What is decided already need not be decided again. Leaving waits for nothing.
  if (next) return why === "exit" && show(why);
  // What no page remembers would come again on the next.
  if (isHomeless() || age(quiet) < MOMENTS.quiet * SECOND || asks >= MOMENTS.most) return;
  if (age(start) < MOMENTS.early * PACE) return;
  if (age(asked) < MOMENTS.gap * PACE && !/exit|again/.test(why)) return;
  isAsking = true;
  edit((state) => Object.assign(state, { asked: now(), asks: asks + 1, why, open: 1, isNew: 0 }));
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
    state.won = decision.offered ?? state.won; // for the visits after this one
    // It is kept with the visit, so that the next page can draw it.
    if (decision.show_popup)
      state.next = {
        decision,
        items,
        by: own,
        theme: !isWanted,
        at: now() + (why === "exit" ? 0 : Math.min(decision.delay_ms, 1e4)),
      };
  });
  show();
};

// A new page draws what was decided, asks because the shopper turned away, or for an answer that came too late.
export const goOn = (dwell) => {
  const { why, next, open } = session();
  if (next) later(show, SECOND);
  else if (dwell >= MOMENTS.turn * SECOND) later(() => ask("turn_away"), SECOND);
  else if (open) {
    edit((state) => delete state.asked);
    ask(why);
  }
};
