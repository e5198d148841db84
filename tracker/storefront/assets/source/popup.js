// The popup: when a decision still holds it is drawn, and what was drawn is what is reported.
import { later, safely } from "./basics.js";
import { age, now, options, script, tell } from "./ground.js";
import { isCovered, isTyping } from "./acts.js";
import { codes } from "./cart.js";
import { shop } from "./names.js";
import { active, edit, here, own, record, stored } from "./visit.js";

export let drawn; // what closes the popup that is there
let showing = 0;
let rival; // the tab that was about to draw the popup when this one last looked

// The way that a message opens: [kind, address], or [] for none. Nothing but these kinds.
const wayOf = ({ action, offer, message_id }, items) => {
  const { opens, apply } = action || {};
  // The shop's own address applies a code in every theme; codes that are not named again would go.
  if (apply) {
    const [back, ...all] = [location.pathname + location.search, ...new Set([...codes, apply])].map(encodeURIComponent);
    return ["apply", shop() + "discount/" + all + "?redirect=" + back];
  }
  if (opens === "cart" || (!action && !message_id && !offer?.code && items && here !== "/cart")) return ["cart", shop() + "cart"];
  if (/^\/(?![/\\])/.test(opens)) return ["page", shop() + opens.slice(1)];
  if (/^(mailto:|tel:|https:\/\/wa\.me\/)/.test(opens)) return ["contact", opens];
  return opens?.startsWith("event:") ? ["event"] : offer?.code ? ["copy"] : [];
};

// Of several tabs in sight one draws: the one that asked, or, where that is gone or cannot, the one whose name stays when
// it puts it there and looks again. Returns how long this tab has to wait until it looks.
const turn = ({ by }) => {
  if (by === own) return;
  if (by === rival) edit(({ next }) => (next.by = own), true);
  rival = by;
  return 250;
};

// Draw what was decided, or say why not.
export const show = (isNow) => {
  clearTimeout(showing);
  const { start, items, seen, next } = stored();
  const { at, decision } = next || {};
  if (!active || !decision?.message || drawn) return;
  const rest = at - now();
  const isLate = !(Math.abs(rest) < 3e4);
  const pause = isLate ? turn(next) : rest > 0 && !isNow ? rest : isCovered() || isTyping() ? 1e3 : turn(next);
  if (pause) return (showing = later(() => show(isNow), pause));
  const { message, message_id, category, trigger, offer, rest_days = 7 } = decision;
  const key = message_id || message;
  const [shown, times = 0, last] = seen[key] || [];
  const way = wayOf(decision, items);
  const why = Object.entries({
    theme: next.theme,
    late: isLate,
    cart: items !== next.items,
    repeat: age(shown) <= age(start),
    dismissed: times && age(last) < rest_days * 864e5 * 2 ** (times - 1),
    here: way[1] === location.pathname,
  }).find(([, holds]) => holds)?.[0];
  const note = (fate, failed) => {
    const more = { category, trigger, offer: offer?.id, message_id, action: way[0], why: why || failed };
    record("popup_" + fate, more, true);
    if (fate === "dismissed") edit((state) => (state.seen[key] = [now(), times + 1, now()]), true);
  };
  edit((state) => {
    delete state.next;
    if (why) return;
    state.seen[key] = [now(), times, last];
    state.quiet = now();
  });
  if (why) note("dropped");
  // A theme that draws its own calls preventDefault() and then detail.report("dismissed") or ("clicked").
  else if (tell("popup", { decision, report: safely(note) })) draw(decision, way, note);
  else note("shown");
};

// The drawing is a file of its own, for the pages that get a popup.
const draw = async (decision, way, note, isPreview) => {
  const gone = () => (drawn = 0);
  drawn = gone;
  const isGone = () => !active && !isPreview;
  try {
    const { drawPopup } = await import(script.src.replace(/\.js\b(?!.*\.js\b)/, "-popup.js"));
    drawn = drawPopup(decision, way, options.words, note, isCovered, isGone, gone);
  } catch {
    gone();
    note("dropped", "failed");
  }
};

// For the owner at the browser's console: nothing of it is recorded.
export const preview = (decision) => decision.message && draw(decision, wayOf(decision, 1), () => {}, true);
