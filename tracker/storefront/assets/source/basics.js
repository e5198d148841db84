// The few functions that everything else is written with. Nothing that fails may reach the page.

export const root = document.documentElement;

export const safely =
  (work) =>
  (...values) => {
    try {
      return work(...values);
    } catch {}
  };
// No timer waits longer than five minutes, whatever a clock said.
export const later = (work, ms) => setTimeout(safely(work), Math.min(ms, 3e5));
export const on = (target, type, work) => target.addEventListener(type, safely(work), true);

export const make = (tag, attributes, ...children) => {
  const element = document.createElement(tag);
  for (const name of Object.keys(attributes)) element.setAttribute(name, attributes[name]);
  element.append(...children);
  return element;
};
