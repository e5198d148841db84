// What the script stands on, and does not trust: other scripts patch what they find. Prototype.js adds
// Array.prototype.toJSON, some shops replace Date.now, others wrap fetch.

export const KEY = "shopSignals"; // names the storage, the events, and the one global

export const tell = (name, detail) =>
  document.dispatchEvent(new CustomEvent(KEY + ":" + name, { detail, cancelable: true }));

// A module has no currentScript: the stack says from which file this runs.
export const script =
  document.currentScript || [...document.scripts].find(({ src }) => src && new Error().stack.includes(src));
export const options = script?.dataset;
export const service = script && new URL(".", script.src).href;

// Milliseconds that this page has been there, and since 1970 by the first clock that can be one.
export const ticks = () => performance.now();
export const now = () => Math.round([Date.now(), performance.timeOrigin + ticks()].find((ms) => ms > 16e11 && ms < 4e12));

// How long ago a stored moment was. What is no moment, or lies ahead because the clock was set back, was never.
export const age = (moment) => {
  const ms = now() - moment;
  return ms > -6e4 ? ms : Infinity;
};

// JSON, without asking any toJSON.
export const spell = (value) =>
  Array.isArray(value)
    ? `[${value.map(spell)}]`
    : value && typeof value === "object"
      ? `{${Object.keys(value)
          .filter((key) => value[key] !== undefined)
          .map((key) => spell(key) + ":" + spell(value[key]))}}`
      : JSON.stringify(value ?? null);
