// The storefront script: tells the service what a shopper does, and shows a popup when the service says that it helps.
//
//   <script defer src="https://HOST/storefront.js"></script>
//
// Plain JavaScript; storefront.min.js beside it is what shops get (build.py makes it, and a test holds the two together).
// What it keeps is one session record and one queue for each open page, in localStorage; what it sends are snapshots
// with the events that were not yet answered, so a body that arrives twice adds nothing. Every event has its own number.
(() => {
  "use strict";
  const script = document.currentScript;
  const root = document.documentElement;
  if (!script || window.shopSignals) return;

  const options = script.dataset;
  const service = new URL(options.host || ".", script.src).href;
  const words = (options.words || "Close|Copy code|Copied|View cart|Checkout").split("|");
  const idle = (options.idle || 20) * 1e3;
  const KEY = "storefront";
  const HALF_HOUR = 18e5;
  const DAY = 864e5;
  const QUIET = 12e4; // after a popup, nothing is asked for two minutes
  const GAP = 1e4; // and never more often than this
  const MOST_EVENTS = 1000; // an hour offline is about 300
  const MOST_TEXT = 12e3; // of events in a body: with three bytes a character and all times, under 48 KiB
  const MOST_PAGES = 50;

  // ---- nothing that fails in here may reach the page ----

  const safely =
    (work) =>
    (...values) => {
      try {
        return work(...values);
      } catch {}
    };
  const later = (work, ms) => setTimeout(safely(work), ms);
  const on = (target, type, work) => target.addEventListener(type, safely(work), { capture: true, passive: true });
  const tell = (name, detail) => document.dispatchEvent(new CustomEvent(KEY + ":" + name, { detail, cancelable: true }));

  // ---- storage: localStorage, or this page's memory where that is blocked or full ----

  let memory = {};
  const read = safely((key) => JSON.parse(memory[key] || localStorage[key] || null));
  const write = (key, value) => {
    value = JSON.stringify(value);
    try {
      localStorage[key] = value;
      delete memory[key];
    } catch {
      memory[key] = value;
    }
  };
  const forget = safely((key) => {
    delete memory[key];
    localStorage.removeItem(key);
  });
  const stored = () => safely(() => Object.keys(localStorage).filter((key) => key.startsWith(KEY)))() || [];

  // ---- the session: shared by all tabs, a new one after half an hour without an event or after a day ----

  const own = KEY + "." + Math.random().toString(36).slice(2, 8); // this page's queue: no other page writes it
  let number = Math.floor(Math.random() * 1e3) * 1e4; // tells equal events apart
  let queue = []; // [session id, page, event] of every event without an answer
  let active = false;
  let here; // the page whose time is counted
  let since = 0; // when that counting began, 0 while nobody sees it

  // A path without what may name a person: no query, nothing below an account or order, no address or long token.
  const clean = (path) =>
    path
      .replace(/(\/(account|orders|checkouts?|gift_cards|invoices))\/.*/, "$1")
      .replace(/[^/#.]*(@|%40|[\da-f]{16})[^/]*/gi, "*")
      .slice(0, 200);

  const session = () => {
    const now = Date.now();
    let found = read(KEY);
    if (!found || !found.id || now - found.last > HALF_HOUR || now - found.start > DAY) {
      const id = crypto.randomUUID ? crypto.randomUUID() : now.toString(36) + own.slice(10) + Math.random().toString(36).slice(2);
      found = { id, start: now, last: now, visit: ((found && found.visit) || 0) + 1, times: {}, seen: [] };
      if (since) since = performance.now();
      write(KEY, found);
      view();
      found = read(KEY);
    }
    return found;
  };

  const edit = (change) => {
    const found = session();
    change(found);
    write(KEY, found);
    return found;
  };

  // Put the time that this page was seen since the last call into the session. Begins no new one: time alone is no visit.
  const count = () => {
    const now = performance.now();
    const found = read(KEY) || {};
    if (!since || !found.id) return found;
    found.times[here] = Math.round((found.times[here] || 0) + Math.min(now - since, HALF_HOUR));
    since = now;
    const pages = Object.keys(found.times);
    if (pages.length > MOST_PAGES) delete found.times[pages[0]];
    write(KEY, found);
    return found;
  };

  const save = () => (queue.length ? write(own, queue) : forget(own));

  const record = (type, more) => {
    if (!active) return;
    const found = edit((now) => (now.last = Date.now()));
    queue.push([found.id, here, { type, ts: Date.now(), n: number++, ...more }]);
    queue = queue.slice(-MOST_EVENTS);
    save();
    soon(1e3);
    wait();
  };

  const view = (nav) => record("view", { nav, visit: read(KEY).visit, locale: root.lang || navigator.language });

  // Events of a page that is gone, or of another tab: both may send them, since a repeat adds nothing.
  const adopt = () => {
    for (const key of stored()) {
      if (key === KEY || key === own) continue;
      queue.unshift(...(read(key) || []));
      forget(key);
    }
    save();
  };

  // ---- sending: soon after a change, and everything is kept until the service has answered ----

  let timer = 0;
  let sending = 0;
  let failures = 0;

  const soon = (ms) => {
    timer = timer || later(flush, ms);
  };

  // The next body: the events of the oldest session in the queue, as many as fit.
  const pack = () => {
    const now = count();
    const id = queue.length ? queue[0][0] : now.id;
    const events = {};
    let size = 0;
    const batch = queue.filter((item) => {
      if (item[0] !== id || (size += JSON.stringify(item).length) > MOST_TEXT) return;
      (events[item[1]] = events[item[1]] || []).push(item[2]);
      return true;
    });
    const body = { session: id, events, sentAt: Date.now() };
    if (id === now.id) {
      body.itemsInCart = now.items;
      body.timeOnPage = now.times;
    }
    return [JSON.stringify(body), batch];
  };

  // A string body makes it text/plain: no preflight.
  const post = (path, body) =>
    fetch(service + path, { method: "POST", body, keepalive: true, credentials: "omit", referrerPolicy: "origin" });

  const drain = async () => {
    clearTimeout(timer);
    timer = 0;
    do {
      if (!active) return;
      const [body, batch] = pack();
      let status = 0;
      try {
        status = (await post("ingest", body)).status;
      } catch {}
      if (!active) return;
      const saved = status > 199 && status < 300;
      if (!saved && ![400, 413, 422].includes(status)) {
        timer = later(flush, Math.min(3e5, 2e3 * 2 ** failures++) * (1 + Math.random() / 4));
        return;
      }
      failures = 0;
      queue = queue.filter((item) => !batch.includes(item));
      save();
      if (saved) tell("sent", body);
    } while (queue.length);
  };

  const flush = () =>
    (sending =
      sending ||
      drain()
        .catch(() => {})
        .then(() => (sending = 0)));

  // The page goes out of sight, perhaps for ever. The events stay in the queue: a beacon has no answer.
  const leave = () => {
    if (!active || !since) return;
    const [body] = pack();
    since = 0;
    save();
    if (!navigator.sendBeacon(service + "ingest", body)) post("ingest", body).catch(() => {});
  };

  const appear = () => {
    if (!active || document.hidden || since) return;
    since = performance.now();
    session();
    clearTimeout(timer);
    timer = 0;
    if (queue.length) soon(100);
    changed();
    wait();
  };

  // ---- what a shopper does ----

  let deepest = 0;
  let scrolling = 0;
  let left = false;

  const look = (nav) => {
    const page = clean(location.pathname);
    if (!active || (page === here && nav !== "back")) return;
    if (here) count();
    here = page;
    deepest = 0;
    left = false;
    const id = (read(KEY) || {}).id;
    if (session().id === id) view(nav);
  };

  const name = (element) =>
    clean(
      element.id
        ? "#" + element.id
        : element.localName +
            (element.name ? "[" + element.name + "]" : [...element.classList].slice(0, 2).map((part) => "." + part).join("")),
    ).slice(0, 80);

  const click = (event) => {
    const origin = event.composedPath()[0];
    const element = origin.closest && origin.closest("a,button,summary,select,input,[role=button],[role=tab],[role=option]");
    if (!active || !event.isTrusted || !element || element.getRootNode() === shadow) return;
    const more = { target: name(element) };
    if (element.href) {
      const url = new URL(element.href);
      more.href = url.origin === location.origin ? clean(url.pathname) : url.host || url.protocol;
    }
    record("click", more);
    if (element.name === "checkout" || /^\/checkout/.test(more.href)) record("checkout_started");
  };

  const scroll = () => {
    scrolling = 0;
    const seen = Math.floor(((scrollY + innerHeight) / root.scrollHeight) * 4 + 0.02) * 25;
    if (seen > deepest) record("scroll", { depth: (deepest = Math.min(seen, 100)) });
  };

  // ---- the cart: read again whenever something may have changed it; the difference is the event ----

  let reading = 0;

  const changed = () => {
    if (active && window.Shopify) reading = reading || later(() => readCart().catch(() => {}), 100);
  };

  const readCart = async () => {
    reading = 0;
    const cart = await (await fetch(((Shopify.routes || {}).root || "/") + "cart.js")).json();
    const items = cart.item_count;
    if (!active || !(items >= 0)) return;
    let was;
    edit((found) => {
      was = found.items;
      found.items = items;
    });
    if (was === undefined || was === items) return;
    record(items > was ? "add_to_cart" : "remove_from_cart", { items, was });
    ask();
  };

  // ---- asking: when something happened that can change the answer ----

  let waiting = 0; // the timer of hesitation
  let asking = false; // from the question until its popup is drawn or given up

  const wait = (ms) => {
    clearTimeout(waiting);
    waiting = later(() => {
      ask();
      if (!(ms > idle * 8)) wait((ms || idle) * 3);
    }, ms || idle);
  };

  const mayAsk = () => options.ask !== "off" && (options.consent || !window.Shopify || Shopify.customerPrivacy.marketingAllowed());

  const ask = () => {
    if (!active || asking || shadow || document.hidden || !mayAsk()) return;
    const now = Date.now();
    const found = session();
    if (now < found.quiet) return;
    if (now - found.asked < GAP) return wait(GAP);
    edit((state) => (state.asked = now));
    asking = true;
    question().catch(() => (asking = false));
  };

  const question = async () => {
    await flush();
    const { id, items } = session();
    const answer = failures || (await (await post("askai", id)).json());
    const decision = active && answer.ok && tell("decision", answer) && answer;
    asking = !!decision && decision.show_popup;
    if (asking) later(() => show(decision, id, items, 30), Math.min(decision.delay_ms || 0, 6e4));
  };

  // ---- the popup ----

  let shadow = null;

  // Is the shopper's attention elsewhere: a drawer, a dialog, the checkout?
  const covered = () =>
    document.hidden ||
    /\/checkout/.test(location.pathname) ||
    [
      ...document.querySelectorAll(
        "dialog:modal,[aria-modal=true],cart-drawer,[id*=cart-drawer i],[id*=cartdrawer i],[class*=cart-drawer i]" +
          (options.avoid ? "," + options.avoid : ""),
      ),
    ].some((element) => {
      const box = element.getBoundingClientRect();
      return (
        (getComputedStyle(element).position === "fixed" || element.ariaModal || element.open) &&
        element.checkVisibility?.({ opacityProperty: true, visibilityProperty: true }) !== false &&
        Math.min(box.right, innerWidth) - Math.max(box.left, 0) > 9 &&
        Math.min(box.bottom, innerHeight) - Math.max(box.top, 0) > 9
      );
    });

  const show = (decision, id, items, tries) => {
    const found = active && session();
    asking = false;
    // Another session, another cart, or shown before (perhaps by another tab): the decision no longer holds.
    if (!found || found.id !== id || found.items !== items || found.seen.includes(decision.message)) return;
    if (covered()) {
      asking = tries > 0;
      if (asking) later(() => show(decision, id, items, tries - 1), 1e3);
      return;
    }
    const { category, trigger, offer } = decision;
    const report = (fate, more) =>
      record("popup_" + fate, { category, trigger, offer: offer ? offer.id : undefined, ...more });
    edit((state) => {
      state.seen = [...state.seen, decision.message].slice(-9);
      state.quiet = Date.now() + QUIET;
    });
    // A theme that draws its own calls preventDefault() and then detail.report("dismissed") or ("clicked").
    if (tell("popup", { decision, report: safely(report) })) draw(decision, report, items);
    report("shown");
  };

  const make = (tag, properties, ...children) => {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  };

  // Is the page behind it dark? Its own background says so, whatever the device prefers.
  const dark = () => {
    const [red, green, blue, alpha] = [document.body, root]
      .map((element) => getComputedStyle(element).backgroundColor.match(/[\d.]+/g).map(Number))
      .find((colour) => colour[3] !== 0) || [255, 255, 255];
    return alpha !== 0 && red + green + blue < 300;
  };

  const draw = ({ message, offer }, report, items) => {
    const before = document.activeElement;
    const host = make("storefront-popup");
    const style = new CSSStyleSheet();
    style.replaceSync(`POPUP_CSS`);
    shadow = host.attachShadow({ mode: "open" });
    shadow.adoptedStyleSheets = [style];
    host.className = dark() ? "dark" : "";

    const close = () => {
      if (document.activeElement === host && before) before.focus();
      clearInterval(watch);
      host.remove();
      shadow = null;
    };
    const dismiss = () => {
      close();
      report("dismissed");
    };
    const button = (className, text, work) => {
      const made = make("button", { type: "button", className }, text);
      on(made, "click", () => work(made));
      return made;
    };

    const card = make("div", { id: "card", role: "dialog" }, make("p", { id: "message", dir: "auto" }, message));
    card.setAttribute("aria-labelledby", "message");
    if (offer) {
      card.append(make("p", { className: "offer", dir: "auto" }, offer.text));
      if (offer.code) {
        const copy = button("action", words[1], () => {
          report("clicked", { action: "copy" });
          navigator.clipboard.writeText(offer.code).then(
            () => (copy.textContent = words[2]),
            () => {},
          );
        });
        card.append(make("p", { className: "code" }, make("code", {}, offer.code), copy));
      }
    } else if (items) {
      const atCart = /\/cart\/?$/.test(location.pathname);
      const link = make("a", { className: "action", href: ((Shopify.routes || {}).root || "/") + (atCart ? "checkout" : "cart") }, words[atCart ? 4 : 3]);
      on(link, "click", () => report("clicked", { action: atCart ? "checkout" : "cart" }));
      card.append(link);
    }
    const cross = button("close", "", dismiss);
    cross.ariaLabel = words[0];
    card.append(cross);

    // A screen reader announces what enters a region that is there already.
    const region = make("div", { ariaLive: "polite" });
    shadow.append(region);
    document.body.append(host);
    later(() => region.append(card), 50);
    host.dismiss = dismiss;
    const watch = setInterval(safely(() => (active ? (host.hidden = covered()) : close())), 300);
  };

  // ---- consent: until there is one, nothing above runs, nothing is stored, nothing is sent ----

  let given = options.consent === "granted";
  let begun = false;

  const refused = () => navigator.globalPrivacyControl || navigator.doNotTrack > 0;
  const allowed = () =>
    !refused() && (options.consent ? given : !window.Shopify || Shopify.customerPrivacy.analyticsProcessingAllowed());

  const check = () => {
    const may = allowed();
    if (may && !active) start();
    if (!may) stop();
  };

  const stop = () => {
    active = false;
    queue = [];
    here = undefined;
    since = failures = 0;
    memory = {};
    stored().forEach(forget);
  };

  // Shopify's API comes with a script of its own, perhaps after this one; while it has not answered there is no consent.
  const decide = () => {
    if (options.consent || refused() || !window.Shopify || Shopify.customerPrivacy) return check();
    if (Shopify.loadFeatures)
      Shopify.loadFeatures(
        [{ name: "consent-tracking-api", version: "0.1" }],
        safely(() => Shopify.customerPrivacy && check()),
      );
  };

  const start = () => {
    active = true;
    adopt();
    if (!document.hidden) since = performance.now();
    look();
    changed();
    if (begun) return;
    begun = true;

    for (const method of ["pushState", "replaceState"]) {
      const original = history[method];
      history[method] = function (...values) {
        const result = original.apply(this, values);
        safely(look)("history");
        return result;
      };
    }
    on(window, "popstate", () => look("history"));
    on(document, "visibilitychange", () => (document.hidden ? leave() : appear()));
    on(window, "pagehide", leave);
    on(window, "pageshow", (event) => {
      if (!event.persisted) return;
      check();
      look("back");
      adopt();
      appear();
    });
    on(window, "online", () => {
      clearTimeout(timer);
      timer = 0;
      soon(100);
    });
    on(window, "storage", () => {
      // Another tab was told to forget.
      if (active && !read(KEY)) {
        given = false;
        stop();
        decide();
      }
    });
    on(window, "click", click);
    on(window, "scroll", () => {
      scrolling = scrolling || later(scroll, 250);
      wait();
    });
    on(window, "keydown", (event) => {
      wait();
      const host = shadow && shadow.host;
      if (event.key === "Escape" && host && !host.hidden && host.dismiss) host.dismiss();
    });
    on(document, "mouseout", (event) => {
      if (left || event.relatedTarget || event.clientY > 0) return;
      left = true;
      record("exit_intent");
      ask();
    });
    on(document, "shopify:cart:lines-update", (event) => Promise.resolve(event.promise).then(changed, changed));
    safely(() =>
      new PerformanceObserver((list) => {
        if (list.getEntries().some((entry) => /\/cart\/(add|change|update|clear)/.test(entry.name))) changed();
      }).observe({ type: "resource" }),
    )();
  };

  const begin = () => {
    if ((window.Shopify && Shopify.designMode) || /\/password\/?$/.test(location.pathname)) return;
    on(document, "visitorConsentCollected", decide);
    decide();
    if (document.readyState !== "complete") on(window, "load", () => active || decide());
  };

  window.shopSignals = {
    // For a shop with a consent banner of its own, together with data-consent="wait".
    consent: safely((answer) => {
      given = !!answer && !!options.consent;
      decide();
    }),
  };
  // A page that the browser prepares in advance was not visited yet.
  safely(() => (document.prerendering ? on(document, "prerenderingchange", begin) : begin()))();
})();
