// The storefront script: tells the service what a shopper does, and shows a popup when the service says that it helps.
//
//   <script defer src="https://HOST/storefront.js"></script>
//
// These modules are joined and minified by tracker/storefront/build.py; storefront.min.js is what shops get, and a test
// holds the two together. This one says when anything may happen at all: until there is consent nothing of the others
// runs, nothing is stored, nothing is sent.
import { acts, countAnew, turnActs } from "./acts.js";
import { ask, goOn, wait } from "./asking.js";
import { onChange, readSoon } from "./cart.js";
import { later, on, root, safely } from "./basics.js";
import { KEY, options, service, spell, ticks } from "./ground.js";
import { MOMENTS, SECOND } from "./moments.js";
import { page } from "./names.js";
import { drawn, preview } from "./popup.js";
import { erase, hurry, leave, onSend, soon } from "./sending.js";
import {
  active,
  adopt,
  beginVisit,
  endVisit,
  look,
  onRecord,
  record,
  session,
  since,
  stored,
  watch,
} from "./visit.js";
import { post } from "./wire.js";

let isGiven = null; // the shop's own answer, where it has a banner of its own
let isLoading; // was Shopify asked for its consent API?
let deciding = 0;
let isBegun;
let hidden; // when the page went out of sight

// Shopify's API comes with a script of its own, perhaps late, and something else may stand in its place until then.
// Undefined while nobody has answered: nothing begins then, and nothing ends.
const mayRun = () => {
  const { Shopify } = window;
  const privacy = Shopify?.customerPrivacy;
  if (navigator.globalPrivacyControl || navigator.doNotTrack > 0) return false;
  if (options.consent) return isGiven;
  if (!Shopify) return document.readyState !== "loading" || undefined;
  if (privacy?.analyticsProcessingAllowed) return !!safely(() => privacy.analyticsProcessingAllowed())();
  if (!isLoading) safely(() => Shopify.loadFeatures([{ name: "consent-tracking-api", version: "0.1" }], decide))();
  isLoading = Shopify.loadFeatures;
};

const decide = () => {
  const may = mayRun();
  clearTimeout(deciding);
  if (may === undefined) deciding = later(decide, 200);
  else if (may) come(beginVisit());
  else if (may === false) erase(endVisit());
};

const turnPage = (nav) => {
  const dwell = look(nav);
  if (dwell === undefined) return;
  turnActs();
  goOn(dwell);
};

const come = () => {
  if (!active || document.hidden || since) return;
  const { id } = stored();
  watch(1);
  adopt();
  turnPage();
  session();
  // The first report of a visit takes a second: some consent APIs say yes until they know.
  if (id) hurry();
  readSoon();
  wait();
};

const go = () => {
  hidden = ticks();
  leave();
  watch(0);
};

const listen = () => {
  acts(ask);
  // Not by patching history: routers keep the browser's own, or come after.
  const turned = () => turnPage("history");
  on(window, "popstate", turned);
  if (window.navigation) on(navigation, "currententrychange", turned);
  else setInterval(safely(turned), 1e3);
  on(document, "visibilitychange", () => {
    if (document.hidden) return go();
    come();
    const away = Math.floor((ticks() - hidden) / SECOND);
    if (away > 4) record("presence", { hidden: away });
    if (away >= MOMENTS.back) later(() => ask("back"), SECOND);
  });
  on(window, "pagehide", go);
  on(window, "pageshow", ({ persisted }) => {
    if (!persisted) return;
    decide();
    turnPage("back");
  });
  on(window, "online", hurry);
  on(window, "storage", ({ key, newValue }) => {
    // Another tab was told to forget. What is stored does not tell: this one may have written to it since.
    if (!active || newValue || (key && key !== KEY)) return;
    isGiven = null;
    endVisit();
    decide();
  });
  for (const type of ["scroll", "keydown", "pointerdown"]) on(window, type, () => wait());
  on(window, "keydown", ({ key }) => key === "Escape" && drawn?.());
  on(document, "visitorConsentCollected", decide);
  on(window, "load", decide); // Shopify may have come late
};

// A driven browser is no visit. A shop that wants to see its own tests says data-robots="count". Programs that say by
// their name what they are get this far: the service knows those names, and stores nothing of them.
const isDriven = () => navigator.webdriver && options.robots !== "count";

const begin = () => {
  // A page that nobody sees yet, in a tab behind or prepared in advance, was not visited; nor is one in a frame.
  if (isBegun || document.hidden || window.top !== window || window.Shopify?.designMode || isDriven()) return;
  if (/^(\/[a-z]{2}(-\w+)?)?\/(password|checkouts?)(\/|$)/.test(page(location.pathname))) return;
  isBegun = true;
  if (options.consent === "granted") isGiven = true;
  onRecord((isQuiet) => {
    soon();
    if (!isQuiet) wait();
  });
  onChange(() => {
    countAnew();
    wait();
  });
  onSend(decide);
  listen();
  decide();
};

if (service && !window[KEY]) {
  window[KEY] = {
    // For a shop with a consent banner of its own, together with data-consent="wait".
    consent: safely((answer) => {
      isGiven = !!answer && !!options.consent;
      decide();
    }),
    // Shows a message by its id as shoppers would see it, and records nothing.
    preview: (what) =>
      post("askai", spell({ session: "previewing", preview: what, language: root.lang }))
        .then(([, text]) => preview(what.message ? what : JSON.parse(text)))
        .catch(() => {}),
  };
  for (const type of ["visibilitychange", "prerenderingchange"]) on(document, type, begin);
  if (!document.prerendering) safely(begin)();
}
