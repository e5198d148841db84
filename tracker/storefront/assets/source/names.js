// Names of pages and of elements: each its own, the same every time, and none that may name a person.
import { safely } from "./basics.js";

// The shop's address on this site: "/", or "/en-de/" in a market of its own, which is no part of a page's name.
export const shop = () => {
  const market = "" + window.Shopify?.routes?.root;
  return market.startsWith("/") ? market.replace(/\/*$/, "/") : "/";
};

// Without what may name a person: no address, no long token. A long text keeps its beginning, and a number made of all
// of it keeps it apart from others.
const clean = (text, most, isOwn) => {
  text = text.replace(/[^/#.]*(@|%40)[^/]*/g, "*");
  if (!isOwn) text = text.replace(/[^/#.]*([\da-f]{16}|[\da-f]{8}-[\da-f]{4}-)[^/]*/gi, "*");
  const letters = [...text];
  const sum = letters.reduce((total, letter) => (total * 31 + letter.codePointAt()) % 1e9, 7);
  return letters.length > most ? letters.slice(0, most).join("") + "~" + sum : text;
};

// No query, nothing below an account, an order or a search. The shop's own handles may be as long as they like.
export const page = (path) => {
  path = ((safely(decodeURI)(path) || path).normalize() + "/").replace(/\/+/g, "/");
  if (path.startsWith(shop())) path = path.slice(shop().length - 1);
  path = path.replace(/\/$/, "") || "/";
  const isOwn = /^(\/[\w-]+)?\/(products|collections|pages|blogs|policies)\//.test(path);
  if (!isOwn) path = path.replace(/(\/(account|orders|checkouts?|gift_cards|invoices|search))\/.*/, "$1");
  return clean(path, 120, isOwn);
};

export const name = (element) => {
  const id = element.getAttribute("id");
  const field = element.getAttribute("name");
  return clean(
    id ? "#" + id : element.localName + (field ? `[${field}]` : ["", ...element.classList].slice(0, 3).join(".")),
    80,
  );
};

// ---- where a shopper comes from and what with: words of fixed lists ----

const SOURCES = {
  direct: /^$/,
  search: /google|bing|duck|yahoo/,
  social: /facebook|instagram|tiktok|pinterest|youtube|reddit/,
  other: /./,
};
const CAMPAIGNS = { email: /=[\w-]*mail/, paid: /=(cpc|paid)|[?&](g|ms|tt)clid=/, social: /=social|fbclid=/, other: /utm_/ };
const classOf = (text, list) => Object.keys(list).find((word) => list[word].test(text));

export const arrival = () => {
  const { referrer, cookie } = document;
  const { saveData, effectiveType } = navigator.connection || {};
  const query = location.search;
  return {
    device: matchMedia("(pointer:coarse)").matches ? (screen.width < 600 ? "phone" : "tablet") : "desktop",
    slow: saveData || /[23]g/.test(effectiveType),
    from: referrer.startsWith(location.origin) ? "shop" : classOf(referrer.split("/")[2] || "", SOURCES),
    campaign: classOf(query, CAMPAIGNS),
    // Shopify redirects from /discount/CODE and leaves a cookie: whether there is one is all that is read.
    discount: /[?&]discount=/.test(query) || /discount_code=./.test(cookie),
  };
};
