// Requests, past whatever the page's other scripts have put between.
import { make, root, safely } from "./basics.js";
import { service } from "./ground.js";

let frame; // an empty page of our own
let isWrapped; // does another script stand between fetch and this one?

// Returns [status, text], status 0 where there was no answer. Shops wrap fetch: to read the answers, or to add headers,
// for which a browser first asks the service. An empty frame has the browser's own, where this page's is not that.
export const request = async (url, more) => {
  try {
    if (isWrapped || !/native code/.test(fetch))
      if (!frame?.isConnected) root.append((frame = make("iframe", { hidden: "" })));
    const answer = await (frame?.contentWindow || window).fetch(url, { __proto__: null, ...more });
    isWrapped = answer.bodyUsed;
    // An answer that is not read to its end keeps its body in the 64 KiB that all kept requests share.
    return [answer.status, await answer.text().catch(() => "")];
  } catch {
    isWrapped = true;
    return [0, ""];
  }
};

// A string body makes it text/plain: no preflight.
export const post = (path, body) => request(service + path, { method: "POST", body, keepalive: true, credentials: "omit" });

// For a page that goes away: a beacon has no answer.
export const beam = (path, body) => safely(() => navigator.sendBeacon(service + path, body))() || post(path, body);
