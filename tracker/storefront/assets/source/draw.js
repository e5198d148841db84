// Draws the popup, in a file of its own: most pages never get one.
import { later, make, on, root, safely } from "./basics.js";
import { readable } from "./colours.js";

const STYLE = `POPUP_CSS`;
const BUY = "[name=add],[name=checkout],form[action*='/cart'] :is(button:not([type=button]),[type=submit])";

// `note` is told what becomes of it, `isGone` whether consent was withdrawn, `gone` that it is closed. Returns what closes
// it as the shopper does.
export const drawPopup = ({ message, offer, action, words }, [kind, href], shops, note, isCovered, isGone, gone) => {
  const word = (place, key, plain) => (shops || "").split("|")[place] || words?.[key] || plain;
  let before; // what had the focus before the popup
  const code = offer?.code;
  let lift = 0;

  const own = make("storefront-popup", { "aria-live": "polite" });
  on(own, "focusin", ({ relatedTarget }) => (before = relatedTarget || before));
  const shadow = own.attachShadow({ mode: "open" });
  try {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(STYLE);
    shadow.adoptedStyleSheets = [sheet];
  } catch {
    shadow.append(make("style", {}, STYLE));
  }

  const close = () => {
    clearInterval(watching);
    // The focus first: were the popup gone before that, it would fall to the page's beginning.
    if (document.activeElement === own) before?.focus({ preventScroll: true });
    own.remove();
    gone();
  };
  const dismiss = () => {
    if (own.hidden) return;
    close();
    note("dismissed");
  };

  const card = make("div", { id: "card", role: "dialog", "aria-label": message }, make("p", { dir: "auto" }, message));
  const button = (tag, attributes, text, work) => {
    const made = make(tag, attributes, text);
    on(made, "click", () => work(made));
    card.append(made);
    return made;
  };
  if (code) card.append(make("code", {}, code));
  const label =
    kind === "copy"
      ? word(1, "copy", "Copy code")
      : kind && (action?.label || (kind === "cart" && word(3, "view_cart", "View cart")));
  const main =
    label &&
    button(href ? "a" : "button", { class: "action", ...(href && { href }) }, label, (made) => {
      note("clicked");
      if (kind === "event") document.dispatchEvent(new CustomEvent(action.opens.slice(6), { bubbles: true }));
      if (kind !== "copy") return later(close, 300);
      navigator.clipboard.writeText(code).then(
        () => (made.textContent = word(2, "copied", "Copied")),
        () => getSelection().selectAllChildren(card.querySelector("code")),
      );
    });
  button("button", { id: "close", "aria-label": word(0, "close", "Close") }, "×", dismiss);
  let from;
  on(card, "pointerdown", (event) => (from = event));
  on(card, "pointerup", ({ x, y, pointerType }) => {
    if (pointerType !== "mouse" && Math.hypot(x - from.x, y - from.y) > 50) dismiss();
  });

  const attach = () => {
    const behind = [root, document.body];
    document.body.append(own);
    readable(card, behind);
    if (main) readable(main, [...behind, card]);
  };

  // Above all that may not be covered: a button that puts into the cart or leads to the till, and whatever is fixed to
  // the screen. Where there is no room it waits unseen.
  const place = () => {
    const { left, top, right, bottom } = own.getBoundingClientRect();
    let up = 0;
    for (let tries = 9; tries--; ) {
      let bar = Infinity;
      for (let x = left + 9; x < right; x += (right - left - 18) / 4)
        for (let y = top + lift - up; y < bottom + lift - up; y += 20)
          for (const one of document.elementsFromPoint(x, y)) {
            const box = one.getBoundingClientRect();
            if (one !== own && box.height < innerHeight / 2)
              if (one.matches(BUY) || /fixed|sticky/.test(getComputedStyle(one).position)) bar = Math.min(bar, box.top);
          }
      if (bar === Infinity) {
        if (up !== lift) own.style.translate = `0 ${-(lift = up)}px`;
        return true;
      }
      up = bottom + lift - bar + 12;
      if (top + lift < up) return;
    }
  };

  const watching = setInterval(
    safely(() => {
      if (isGone()) return close();
      // A router that exchanges the page's body takes the popup with it.
      if (!own.isConnected) attach();
      own.hidden = isCovered() || !place();
    }),
    300,
  );

  // A screen reader announces what enters a live region that is there already.
  document.body.append(own);
  later(() => {
    shadow.append(card);
    attach();
    place();
    note("shown");
  }, 50);
  return dismiss;
};
