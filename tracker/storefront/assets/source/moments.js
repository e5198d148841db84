// When the script asks: the table that the service has as well, in tracker/decisions/rehearsal/moments.py, which says
// what each means. Seconds, and numbers of clicks and of questions.
import { options } from "./ground.js";

export const MOMENTS = { still: [10, 20, 60], again: [4, 7], turn: 10, back: 10, early: 15, gap: 12, quiet: 120, most: 20 };

export const SECOND = 1e3;
// A shop that sets data-idle asks sooner or later: the first of `still` is so long then, the others and `early` and `gap`
// as many times longer or shorter.
export const PACE = options?.idle * 100 || SECOND;

const SIGN_TYPES = /search|sold_out|refused|flip|quantity/;
const SIGN_PAGES = /^\/(policies|pages|search)\b/;
// What is clicked to find something out, to choose, or to ask: not pictures, menus, filters and products.
const SIGN_CLICKS =
  /siz|gr(oe|ö)(ss|ß)e|taille|talla|coupon|promo|discount|gutschein|rabatt|checkout|drawer|cart-icon|ret(u|ou)r|refund|shipping|deliver|versand|liefer|livraison|quant|faq|chat|track|contact|kontakt|note|log-?in|mail|notify|accordion|summary|details|countr|locali/i;

// Does this event hint that something may be in a shopper's way? Before there was one, and without a cart, stillness is
// no moment of asking.
export const isSign = (type, page, target, isAgain) =>
  SIGN_TYPES.test(type) || (type === "view" ? isAgain || SIGN_PAGES.test(page) : type === "click" && SIGN_CLICKS.test(target));
