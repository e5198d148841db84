// Text and ground as a pair: a contrast of 4.5 at least, whatever the theme's own colours are and however it writes them.
import { make, safely } from "./basics.js";

// The colour that these make on top of each other, as the browser mixes them: [red, green, blue, alpha] to 255.
const mix = (...layers) => {
  const paint = make("canvas", {}).getContext("2d");
  for (const layer of layers) {
    paint.fillStyle = layer;
    paint.fillRect(0, 0, 1, 1);
  }
  return paint.getImageData(0, 0, 1, 1).data;
};

// How light a colour is, nearly: within 4 % of the formula of WCAG 2 wherever it decides, so 4.8 stands for 4.5.
const light = ([r, g, b]) => (0.2126 * r ** 2.2 + 0.7152 * g ** 2.2 + 0.0722 * b ** 2.2) / 255 ** 2.2 + 0.05;

// Make the element readable that lies over these others, of which the first lies behind.
export const readable = safely((element, behind) => {
  const styles = behind.map((one) => getComputedStyle(one));
  const { backgroundColor, color } = getComputedStyle(element);
  let ground = mix(...styles.map((one) => one.backgroundColor), backgroundColor);
  const text = mix(color);
  // A picture or a gradient hides the colour, and where there is none the browser's own shows: then the text decides.
  if (mix(backgroundColor)[3] < 255 && (ground[3] < 255 || styles.some((one) => one.backgroundImage !== "none")))
    ground = light(text) > 0.4 ? [20, 20, 20] : [255, 255, 255];
  const ink = [text, [0, 0, 0], [255, 255, 255]].find((rgb) => {
    const ratio = light(rgb) / light(ground);
    return ratio > 4.8 || ratio < 1 / 4.8;
  });
  const style = element.style;
  [style.backgroundColor, style.color] = [ground, ink].map(([r, g, b]) => `rgb(${r},${g},${b})`);
});
