// What a shopper does on a page: clicks, scrolling, choices, leaving. Never a typed text or a value of a field.
import { later, on, safely } from "./basics.js";
import { ticks } from "./ground.js";
import { edited, readAfter } from "./cart.js";
import { MOMENTS } from "./moments.js";
import { name, page } from "./names.js";
import { here, record } from "./visit.js";

const DRAWERS = "cart-drawer,[id*=cart i][id*=drawer i],[class*=cart i][class*=drawer i]";

let clicks; // on each target of this page
let deepest;
let height; // that the page was last scrolled to
let told; // what is told once a page
let scrolling;
let isOpen; // was a cart drawer open when last looked?
let typed; // when somebody last typed
let added; // and put something into the cart

export const isTyping = () => ticks() - typed < 3e3;

const anyOut = (selector) =>
  [...document.querySelectorAll(selector)].some((element) => {
    const { position, opacity } = getComputedStyle(element);
    const box = element.getBoundingClientRect();
    return (
      (element.open || element.ariaModal || (position === "fixed" && box.height > 99)) &&
      opacity > 0 &&
      // Seen at its middle, or where that is below the screen at the lower edge: not closed, hidden or beside the screen.
      document
        .elementsFromPoint(box.left + box.width / 2, Math.min(box.top + box.height / 2, innerHeight - 9))
        .includes(element)
    );
  });

// Is the shopper's attention elsewhere: another tab, a drawer, a dialog?
export const isCovered = () => document.hidden || anyOut("dialog[open],[aria-modal=true]," + DRAWERS);

const once = (type, more) => {
  if (!told[type]) record(type, more);
  told[type] = 1;
};

const lookAround = () => {
  const was = isOpen;
  isOpen = anyOut(DRAWERS);
  // A drawer that comes by itself with what was put in is no look; one that a theme told of is told.
  if (isOpen && !was && !(ticks() - added < 3e3)) once("cart_view", { where: "drawer" });
  told.cart_view = isOpen;
  if (document.querySelector("[name=add]:disabled")) once("sold_out");
};

// The cart changed: clicks before that were not in vain.
export const countAnew = () => (clicks = {});

// A page of its own begins: what was counted for the last one counts no more.
export const turnActs = () => {
  countAnew();
  told = {};
  deepest = height = 0;
  later(lookAround, 1e3);
};

export const acts = (ask) => {
  on(window, "click", (event) => {
    const path = event.composedPath();
    // Through every shadow root: an icon may be drawn in one.
    const element = path.find((one) => one.matches?.("a,button,summary,select,input,[role=button]"));
    if (!event.isTrusted || !element || path.some((one) => one.localName === "storefront-popup")) return;
    const target = name(element);
    const to = element.pathname;
    record("click", {
      target,
      href: to && (element.origin === location.origin ? page(to) : element.host || element.protocol),
    });
    clicks[target] = (clicks[target] || 0) + 1;
    if (MOMENTS.again.includes(clicks[target])) ask("again");
    if (!to) readAfter();
    if (element.closest("form[action*='/cart/add']")) added = ticks();
    later(lookAround, 700);
  });

  const leaving = (how) => {
    record("exit_intent", { how });
    ask("exit");
  };
  on(document, "mouseout", (event) => event.relatedTarget || event.clientY > 0 || leaving("mouse"));

  on(window, "scroll", ({ target }) => {
    scrolling ||= later(() => {
      scrolling = 0;
      const pane = target === document ? document.scrollingElement : target;
      const { scrollTop, clientHeight } = pane;
      // Carousels, menus and drawers scroll too; a theme may scroll its whole page in one element.
      if (clientHeight * pane.clientWidth < innerHeight * innerWidth * 0.6) return;
      const depth = Math.min(100, Math.floor(((scrollTop + clientHeight) / pane.scrollHeight) * 4 + 0.02) * 25);
      if (depth > deepest) record("scroll", { depth: (deepest = depth) });
      // On a touch screen no mouse leaves: who is about to go hurries back up.
      if (height - scrollTop > innerHeight && matchMedia("(pointer:coarse)").matches && !told.up)
        leaving("scroll", (told.up = 1));
      height = scrollTop;
    }, 250);
  });

  on(window, "keydown", (event) => {
    if (event.composedPath()[0].matches("input,textarea,[contenteditable]")) typed = ticks();
  });

  on(window, "change", ({ target }) => {
    if (!target.closest("form[action*='/cart'],variant-selects,[class*=variant]")) return;
    const field = name(target);
    record(/quantity|updates/i.test(field) ? "quantity_change" : "option_flip", { target: field });
    readAfter();
    later(lookAround, 700);
  });

  // Shopify's standard events of 2026, where a theme sends them; a cart's change is over when its promise is settled.
  const standard = (kind, work) => on(document, "shopify:" + kind, work);
  const settled = ({ promise }) => Promise.resolve(promise).then(edited, edited);
  standard("cart:lines-update", settled);
  standard("cart:view", () => once("cart_view", { where: here === "/cart" ? "page" : "drawer" }));
  standard("product:select", () => record("product_select"));
  standard("search:update", () => once("search"));
  standard("cart:discount-update", (event) => {
    if ((event.applicable ?? event.detail?.applicable) === false) record("discount_refused");
    settled(event);
  });

  // Last, because old browsers may not have it.
  safely(() =>
    new PerformanceObserver((list) => {
      if (list.getEntries().some((entry) => /\/cart\/(add|change|update|clear)|graphql/.test(entry.name))) edited();
    }).observe({ type: "resource" }),
  )();
};
