// "Behind the scenes": what the script sent, the record as the service stores it, and every decision with its reason.
(() => {
  "use strict";
  const root = document.documentElement.dataset.root;
  const find = (selector) => document.querySelector(selector);
  const make = (tag, className, ...children) => {
    const element = document.createElement(tag);
    if (className) element.className = className;
    element.append(...children);
    return element;
  };
  const panel = find("#panel");
  const opener = find("#scenes");
  const clock = (ms) => new Date(ms).toLocaleTimeString("en-GB");
  const chip = (event) => make("span", "chip " + event.type, event.type + (event.target ? " " + event.target : ""));

  const open = (yes) => {
    panel.hidden = !yes;
    opener.setAttribute("aria-expanded", yes);
    sessionStorage.setItem("demo-panel", yes ? "open" : "");
    document.body.classList.toggle("looking", yes);
    if (yes) look();
  };
  opener.addEventListener("click", () => {
    open(panel.hidden);
    if (!panel.hidden) find("#panel-close").focus();
  });
  find("#panel-close").addEventListener("click", () => {
    open(false);
    opener.focus();
  });

  const session = () => {
    try {
      return JSON.parse(localStorage.getItem("shopSignals"));
    } catch {
      return null;
    }
  };

  // ---- the record ----

  const drawRecord = (record) => {
    const whole = record.events || {};
    const pages = [...new Set([...Object.keys(record.timeOnPage || {}), ...Object.keys(whole)])];
    const rows = pages.map((page) => {
      const events = (whole[page] || []).map(chip);
      const time = ((record.timeOnPage || {})[page] || 0) / 1000;
      return make("li", "", make("code", "", page), make("em", "", time.toFixed(1) + " s"), make("div", "chips", ...events));
    });
    const raw = make("details", "", make("summary", "", "As JSON"), make("pre", "", JSON.stringify(record, null, 1)));
    raw.lastChild.tabIndex = 0;
    raw.open = Boolean(find("[data-record] details[open]"));
    const facts = make("p", "facts", make("b", "", String(record.itemsInCart)), " in cart · session ", make("code", "", record.session.slice(0, 8)));
    find("[data-record]").replaceChildren(facts, make("ul", "pages", ...rows), raw);
  };

  let looking = 0;
  const look = () => {
    clearTimeout(looking);
    looking = setTimeout(async () => {
      const { id } = session() || {};
      if (!id || panel.hidden) return;
      const record = await (await fetch(root + "record/" + encodeURIComponent(id))).json();
      if (record) drawRecord(record);
    }, 150);
  };
  document.addEventListener("shopSignals:look", look);

  // ---- what was sent ----

  const sent = find("[data-sent]");
  let count = Number(sessionStorage.getItem("demo-sent") || 0);
  const countUp = (more) => {
    count += more;
    sessionStorage.setItem("demo-sent", count);
    find("[data-sent-count]").textContent = count;
  };
  countUp(0);
  document.addEventListener("shopSignals:sent", ({ detail }) => {
    const body = JSON.parse(detail);
    const events = Object.values(body.events).flat();
    countUp(events.length);
    if (sent.firstElementChild.className === "hint") sent.replaceChildren();
    sent.prepend(
      make(
        "li",
        "",
        make("time", "", clock(body.sentAt)),
        make("span", "size", detail.length + " bytes"),
        make("div", "chips", ...(events.length ? events.map(chip) : [make("span", "chip", "times only")])),
      ),
    );
    while (sent.children.length > 12) sent.lastElementChild.remove();
    look();
  });

  // ---- the decisions: all of this visit, and what became of each popup ----

  const FATES = { shown: "drawn", clicked: "clicked", dismissed: "closed", dropped: "not drawn" };
  const listed = find("[data-decisions]");
  const decisions = () => JSON.parse(sessionStorage.getItem("demo-decisions") || "[]");

  const drawDecision = ({ at, answer, fates }) => {
    const verdict = answer.show_popup ? "Show a popup" : "Show nothing";
    const line = make(
      "li",
      "",
      make("time", "", clock(at)),
      make("p", "verdict" + (answer.show_popup ? " yes" : ""), verdict),
      make("p", "reason", answer.reason),
      make(
        "p",
        "facts",
        "by ",
        make("b", "", answer.source || "rules"),
        " · trigger ",
        make("code", "", answer.trigger),
        ` · confidence ${Math.round(answer.confidence * 100)} %`,
      ),
    );
    if (answer.message) line.insertBefore(make("blockquote", "", answer.message), line.children[2]);
    if (fates.length) line.append(make("div", "chips", ...fates.map((fate) => make("span", "chip popup_" + fate, FATES[fate]))));
    return line;
  };
  const drawDecisions = () => {
    const all = decisions();
    if (all.length) listed.replaceChildren(...all.map(drawDecision));
  };
  const keep = (all) => {
    sessionStorage.setItem("demo-decisions", JSON.stringify(all.slice(0, 20)));
    drawDecisions();
  };
  document.addEventListener("shopSignals:decision", ({ detail }) => {
    keep([{ at: Date.now(), answer: detail, fates: [] }, ...decisions()]);
    look();
  });
  document.addEventListener("shopSignals:sent", ({ detail }) => {
    const all = decisions();
    const newest = all.find((one) => one.answer.show_popup);
    const types = Object.values(JSON.parse(detail).events).flatMap((events) => events.map(({ type }) => type));
    const fates = types.filter((type) => type.startsWith("popup_")).map((type) => type.slice(6));
    if (!newest || !fates.length) return;
    newest.fates.push(...fates);
    keep(all);
  });
  drawDecisions();

  // ---- what is true before consent is not after ----

  const hint = find("[data-sent-hint]");
  const tellTruth = () => {
    const privacy = window.Shopify.customerPrivacy;
    if (hint.isConnected && privacy && privacy.analyticsProcessingAllowed())
      hint.textContent = "Nothing on this page yet. What you do from now on appears here within a second.";
  };
  document.addEventListener("visitorConsentCollected", tellTruth);
  setTimeout(tellTruth, 100);

  if (sessionStorage.getItem("demo-panel") && innerWidth > 700) open(true);
})();
