// The owner's pages: a copy button, and a page that stays up to date while somebody looks at it. All else is HTML.
"use strict";

for (const button of document.querySelectorAll("[data-copy]")) {
  button.hidden = false;
  button.addEventListener("click", () => {
    const source = document.getElementById(button.dataset.copy);
    getSelection().selectAllChildren(source);
    navigator.clipboard?.writeText(source.textContent).then(() => {
      button.textContent = "Copied";
    });
  });
}

let etag = document.querySelector("main").dataset.live;

function look() {
  const main = document.querySelector("main");
  const busy = main.contains(document.activeElement);
  if (document.hidden || busy || !navigator.onLine) return;
  const request = new XMLHttpRequest(); // it parses a page without running anything of it
  request.open("GET", location.href);
  request.setRequestHeader("If-None-Match", `"${etag}"`);
  request.responseType = "document";
  request.onload = () => {
    if (request.status !== 200) return;
    const fresh = request.response?.querySelector("main[data-live]");
    if (!fresh) return location.reload(); // the login has ended
    etag = fresh.dataset.live;
    const open = [...main.querySelectorAll("details[open]")].map((one) => one.id);
    main.replaceWith(document.adoptNode(fresh));
    for (const id of open) document.getElementById(id)?.setAttribute("open", "");
  };
  request.send();
}

if (etag) setInterval(look, 30_000);
if (etag) document.addEventListener("visibilitychange", look);
