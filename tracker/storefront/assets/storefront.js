// The storefront script: tells the service what a shopper does, and shows a popup when the service says that it helps.
//
//   <script defer src="https://HOST/storefront.js"></script>
//
// Plain JavaScript; storefront.min.js beside it is what shops get (build.py makes it, and a test holds the two together).
// What it keeps is one session record and one queue for each open page, in localStorage; what it sends are snapshots
// with the events that were not yet answered, so a body that arrives twice adds nothing. Every event has its own number.
(() => {
  const script = document.currentScript;
  const root = document.documentElement;
  const KEY = "shopSignals"; // names the storage, the events, and the one global
  if (!script || window[KEY]) return;

  const options = script.dataset;
  const service = new URL(".", script.src).href;
  const words = (options.words || "Close|Copy code|Copied|View cart").split("|");
  const idle = (options.idle || 20) * 1e3;
  const HALF_HOUR = 18e5;
  const GAP = 1e4; // between two questions at least

  // ---- nothing that fails in here may reach the page ----

  const safely =
    (work) =>
    (...values) => {
      try {
        return work(...values);
      } catch {}
    };
  const later = (work, ms) => setTimeout(safely(work), ms);
  const on = (target, type, work) => target.addEventListener(type, safely(work), true);
  const tell = (name, detail) => document.dispatchEvent(new CustomEvent(KEY + ":" + name, { detail, cancelable: true }));

  // ---- storage: localStorage, or this page's memory where that is blocked or full ----

  let memory = {};
  const read = safely((key) => JSON.parse(memory[key] || localStorage[key]));
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
    delete localStorage[key];
  });
  const each = (work) => safely(() => Object.keys(localStorage).forEach((key) => key.startsWith(KEY) && work(key)))();

  // ---- the session: shared by all tabs, a new one after half an hour without an event or after a day ----

  let number = Math.floor(Math.random() * 1e6) * 1e3; // of the next event: tells equal events apart
  const own = KEY + "." + number; // this page's queue: no other page writes it
  let queue = []; // [session id, page, event] of every event without an answer
  let active = false;
  let here; // the page whose time is counted
  let since = 0; // when that counting began, 0 while nobody sees it

  // A path without what may name a person: no query, nothing below an account or order, no address or long token.
  const clean = (path) =>
    path
      .replace(/(\/(account|orders|checkouts?|gift_cards|invoices))\/.*/, "$1")
      .replace(/[^/#.]*(@|%40|[\da-f]{16}|[\da-f]{8}-[\da-f]{4}-)[^/]*/gi, "*")
      .slice(0, 200);

  // The shop's address on this site: "/", or "/en-de/" in a market of its own, which is no part of a page's name.
  const shop = () => window.Shopify?.routes?.root || "/";
  const page = (path) => clean(path.startsWith(shop()) ? path.slice(shop().length - 1) : path);

  const session = () => {
    const now = Date.now();
    let found = read(KEY);
    if (!(now - found?.last < HALF_HOUR && now - found.start < 864e5)) {
      const id = crypto.randomUUID?.() || own + now;
      found = { id, start: now, last: now, visit: (found?.visit || 0) + 1, times: {}, seen: [] };
      if (since) since = performance.now();
      write(KEY, found);
      view();
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
    if (pages.length > 50) delete found.times[pages[0]];
    write(KEY, found);
    return found;
  };

  const save = () => (queue.length ? write(own, queue) : forget(own));

  const record = (type, more) => {
    if (!active) return;
    const found = edit((now) => (now.last = Date.now()));
    queue.push([found.id, here, { type, ts: Date.now(), n: number++, ...more }]);
    queue = queue.slice(-1e3); // an hour offline is about 300
    if (queue.length < 99) save(); // a long one costs milliseconds: it is kept with each try to send, and on leaving
    soon(1e3);
    wait();
  };

  const view = (nav) => record("view", { nav, visit: read(KEY).visit, locale: root.lang || navigator.language });

  // Events of a page that is gone, or of another tab: both may send them, since a repeat adds nothing.
  const adopt = () => {
    each((key) => {
      if (key === KEY || key === own) return;
      const found = read(key);
      if (Array.isArray(found)) queue.unshift(...found);
      forget(key);
    });
    save();
  };

  // ---- sending: soon after a change, and everything is kept until the service has answered ----

  let timer = 0;
  let sending = 0;
  let failures = 0;

  const soon = (ms) => {
    timer ||= later(flush, ms);
  };

  const hurry = () => {
    clearTimeout(timer);
    timer = 0;
    if (queue.length) soon(100);
  };

  // The next body: the events of the oldest session in the queue, as many as fit.
  const pack = () => {
    const now = count();
    const id = queue[0]?.[0] || now.id;
    const events = {};
    let text = "";
    const batch = queue.filter((item) => {
      if (item[0] !== id || text.length > 11e3) return; // with three bytes a character, and all times: under 48 KiB
      const one = JSON.stringify(item);
      // Adopting can bring an event twice, and twice in one body would count as two.
      if (!text.includes(one)) (events[item[1]] ||= []).push(item[2]);
      text += one;
      return true;
    });
    const known = id === now.id && { itemsInCart: now.items, timeOnPage: now.times };
    return [JSON.stringify({ session: id, ...known, events, sentAt: Date.now() }), batch];
  };

  // A string body makes it text/plain: no preflight.
  const post = (path, body) =>
    fetch(service + path, { method: "POST", body, keepalive: true, credentials: "omit" });

  const drain = async () => {
    clearTimeout(timer);
    timer = 0;
    do {
      if (!active) return;
      const [body, batch] = pack();
      // An answer that is not read to its end keeps its body in the 64 KiB that all such requests share.
      const answer = await post("ingest", body)
        .then((received) => received.text().then(() => received))
        .catch(() => ({}));
      if (!active) return;
      if (!answer.ok && ![400, 413, 422].includes(answer.status)) {
        save();
        timer = later(flush, Math.min(3e5, (2e3 + Math.random() * 500) * 2 ** failures++));
        return;
      }
      failures = 0;
      queue = queue.filter((item) => !batch.includes(item));
      save();
      if (answer.ok) tell("sent", body);
    } while (queue.length);
  };

  const sent = () => (sending = 0);
  const flush = () => (sending ||= drain().then(sent, sent));

  // The page goes out of sight, perhaps for ever. The events stay in the queue: a beacon has no answer.
  const leave = () => {
    if (!active || !since) return;
    const [body] = pack();
    since = 0;
    save();
    if (asking) edit((state) => (state.asked = 0)); // the next page asks again
    if (!navigator.sendBeacon(service + "ingest", body)) post("ingest", body).catch(() => {});
  };

  const appear = () => {
    if (!active || document.hidden || since) return;
    since = performance.now();
    session();
    hurry();
    changed();
    wait();
  };

  // ---- what a shopper does ----

  let deepest = 0;
  let scrolling = 0;

  const look = (nav) => {
    const now = page(location.pathname);
    if (!active || (now === here && nav !== "back")) return;
    if (here) count();
    here = now;
    deepest = 0;
    const id = read(KEY)?.id;
    if (session().id === id) view(nav);
  };

  const name = (element) =>
    clean(
      element.id
        ? "#" + element.id
        : element.localName +
            (element.name ? "[" + element.name + "]" : ["", ...element.classList].slice(0, 3).join(".")),
    ).slice(0, 80);

  const click = (event) => {
    const origin = event.composedPath()[0];
    const element = origin.closest?.("a,button,summary,select,input,[role=button]");
    if (!active || !event.isTrusted || !element || element.getRootNode() === shadow) return;
    const more = { target: name(element) };
    if (element.pathname)
      more.href = element.origin === location.origin ? page(element.pathname) : element.host || element.protocol;
    record("click", more);
  };

  const scroll = () => {
    scrolling = 0;
    const seen = Math.floor(((scrollY + innerHeight) / root.scrollHeight) * 4 + 0.02) * 25;
    if (seen > deepest) record("scroll", { depth: (deepest = Math.min(seen, 100)) });
  };

  // ---- the cart: read again whenever something may have changed it; the difference is the event ----

  let reading = 0;
  let acted = false; // has this page changed the cart?

  const changed = (act) => {
    acted ||= act;
    if (active && window.Shopify) reading ||= later(() => readCart().catch(() => {}), 100);
  };

  const edited = () => changed(true);

  const readCart = async () => {
    reading = 0;
    const cart = await (await fetch(shop() + "cart.js")).json();
    const items = cart.item_count;
    if (!active || !(items >= 0)) return;
    let was;
    edit((found) => {
      was = found.items;
      found.items = items;
    });
    // The first look of a session may come too late to see it change.
    was ??= acted ? 0 : items;
    if (was === items) return;
    record(items > was ? "add_to_cart" : "remove_from_cart", { items, was });
    ask();
  };

  // ---- asking: when something happened that can change the answer ----

  let waiting = 0; // the timer of hesitation
  let asking = false; // from the question until its popup is drawn or given up

  const wait = (ms = idle) => {
    clearTimeout(waiting);
    waiting = later(() => {
      ask();
      if (ms < idle * 9) wait(Math.max(ms, idle) * 3);
    }, ms);
  };

  const mayAsk = () =>
    options.ask !== "off" && (options.consent || !window.Shopify || Shopify.customerPrivacy.marketingAllowed());

  const ask = () => {
    if (!active || asking || shadow || document.hidden || !mayAsk()) return;
    const now = Date.now();
    const found = session();
    if (now < found.quiet) return;
    if (now - found.asked < GAP) return wait(found.asked + GAP - now);
    edit((state) => (state.asked = now));
    asking = true;
    question().catch(() => (asking = false));
  };

  const question = async () => {
    await flush();
    asking = active; // consent may have been withdrawn meanwhile
    if (!asking) return;
    const { id, items } = session();
    const decision = failures ? {} : await (await post("askai", id)).json();
    asking = active && decision.ok && tell("decision", decision) && decision.show_popup;
    if (asking) later(() => show(decision, id, items), Math.min(decision.delay_ms, 6e4));
  };

  // ---- the popup ----

  let shadow = null;
  let dismiss;

  // Is the shopper's attention elsewhere: another tab, a drawer, a dialog?
  const covered = () =>
    document.hidden ||
    [
      ...document.querySelectorAll(
        "dialog:modal,[aria-modal=true],cart-drawer,[id*=cart i][id*=drawer i],[class*=cart i][class*=drawer i]",
      ),
    ].some((element) => {
      const box = element.getBoundingClientRect();
      const style = getComputedStyle(element);
      return (
        ((style.position === "fixed" && box.height > 99) || element.ariaModal) &&
        style.visibility === "visible" &&
        box.right > 9 &&
        box.bottom > 9 &&
        box.left < innerWidth - 9 &&
        box.top < innerHeight - 9
      );
    });

  const show = (decision, id, items) => {
    const found = active && session();
    asking = found && covered();
    if (asking) return later(() => show(decision, id, items), 1e3);
    // Another session, another cart, or shown before (perhaps by another tab): the decision no longer holds.
    if (found?.id !== id || found.items !== items || found.seen.includes(decision.message)) return;
    const { category, trigger, offer } = decision;
    const report = (fate) => record("popup_" + fate, { category, trigger, offer: offer?.id });
    edit((state) => {
      state.seen = [...state.seen, decision.message].slice(-9);
      state.quiet = Date.now() + 12e4; // nothing is asked for two minutes
    });
    // A theme that draws its own calls preventDefault() and then detail.report("dismissed") or ("clicked").
    if (tell("popup", { decision, report: safely(report) })) draw(decision, report, items);
    report("shown");
  };

  const make = (tag, attributes, ...children) => {
    const element = document.createElement(tag);
    for (const name in attributes) element.setAttribute(name, attributes[name]);
    element.append(...children);
    return element;
  };

  const draw = ({ message, offer }, report, items) => {
    const before = document.activeElement;
    const host = make("storefront-popup", { "aria-live": "polite" });
    const style = new CSSStyleSheet();
    style.replaceSync(`POPUP_CSS`);
    shadow = host.attachShadow({ mode: "open" });
    shadow.adoptedStyleSheets = [style];
    // The shop's own colours, light or dark as they are; its text colour and font are inherited.
    const ground = getComputedStyle(document.body).backgroundColor;
    if (!/, 0\)/.test(ground)) host.style.setProperty("--ground", ground);

    const close = () => {
      if (document.activeElement === host) before?.focus();
      clearInterval(watch);
      host.remove();
      shadow = null;
    };
    dismiss = () => {
      if (host.hidden) return;
      close();
      report("dismissed");
    };
    const button = (tag, attributes, text, work) => {
      const made = make(tag, attributes, text);
      on(made, "click", () => work(made));
      card.append(made);
    };

    const card = make("div", { id: "card", role: "dialog", "aria-label": message }, make("p", { dir: "auto" }, message));
    if (offer?.code) {
      card.append(make("code", {}, offer.code));
      button("button", { class: "action" }, words[1], (made) => {
        report("clicked");
        navigator.clipboard.writeText(offer.code).then(
          () => (made.textContent = words[2]),
          () => {},
        );
      });
    } else if (items && here !== "/cart")
      button("a", { class: "action", href: shop() + "cart" }, words[3], () => report("clicked"));
    button("button", { id: "close", "aria-label": words[0] }, "×", dismiss);

    // A screen reader announces what enters a live region that is there already.
    document.body.append(host);
    later(() => shadow?.append(card), 50);
    const watch = setInterval(safely(() => (active ? (host.hidden = covered()) : close())), 300);
  };

  // ---- consent: until there is one, nothing above runs, nothing is stored, nothing is sent ----

  let given = options.consent === "granted";
  let begun = false;

  const stop = () => {
    active = false;
    queue = [];
    here = undefined;
    since = failures = 0;
    memory = {};
    each(forget);
  };

  // Shopify's API comes with a script of its own, perhaps after this one; while it has not answered there is no consent.
  const decide = () => {
    const refused = navigator.globalPrivacyControl || navigator.doNotTrack > 0;
    const privacy = window.Shopify?.customerPrivacy;
    if (options.consent || refused || !window.Shopify || privacy) {
      const may = !refused && (options.consent ? given : !privacy || privacy.analyticsProcessingAllowed());
      if (!may) stop();
      else if (!active) start();
    } else
      Shopify.loadFeatures?.(
        [{ name: "consent-tracking-api", version: "0.1" }],
        safely((error) => error || (Shopify.customerPrivacy && decide())),
      );
  };

  const start = () => {
    active = true;
    adopt();
    if (!document.hidden) since = performance.now();
    look();
    changed();
    if (session().asked === 0) ask();
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
      decide();
      look("back");
      adopt();
      appear();
    });
    on(window, "online", hurry);
    on(window, "storage", ({ key, newValue }) => {
      // Another tab was told to forget. What is stored does not tell: this one may have written to it since.
      if (active && !newValue && (!key || key === KEY)) {
        given = false;
        stop();
        decide();
      }
    });
    on(window, "click", click);
    on(window, "scroll", () => {
      scrolling ||= later(scroll, 250);
      wait();
    });
    on(window, "keydown", (event) => {
      wait();
      if (event.key === "Escape" && shadow) dismiss();
    });
    on(document, "mouseout", (event) => {
      if (event.relatedTarget || event.clientY > 0) return;
      record("exit_intent");
      ask();
    });
    on(document, "shopify:cart:lines-update", (event) => Promise.resolve(event.promise).then(edited, edited));
    // Last, because old browsers may not have it.
    new PerformanceObserver((list) => {
      if (list.getEntries().some((entry) => /\/cart\/(add|change|update|clear)/.test(entry.name))) edited();
    }).observe({ type: "resource" });
  };

  const begin = () => {
    if (window.Shopify?.designMode || /\/(password|checkouts?)(\/|$)/.test(location.pathname)) return;
    on(document, "visitorConsentCollected", decide);
    decide();
    on(window, "load", () => active || decide());
  };

  window[KEY] = {
    // For a shop with a consent banner of its own, together with data-consent="wait".
    consent: safely((answer) => {
      given = !!answer && !!options.consent;
      decide();
    }),
  };
  // A page that the browser prepares in advance was not visited yet.
  safely(() => (document.prerendering ? on(document, "prerenderingchange", begin) : begin()))();
})();
