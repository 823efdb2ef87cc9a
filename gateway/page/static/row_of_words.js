// Words in a row of a drawing, and how wide they are there.

import { html } from "./vendor/preact-htm.js";
import { label } from "./tokens.js";

const NARROW = 9.2; // pixels of a letter, at the drawings' size of text
const WIDE = 17; // of a syllable of Korean, or another character as wide as high
const GAP = 22;

function widthOf(text) {
  let width = 0;
  for (const character of text) width += character > "\u2e80" ? WIDE : NARROW;
  return width;
}

// Where the words are: [{ text, x, width }], x in the middle of each, and the width of all.
export function layOut(tokens, say, least = 0) {
  const texts = tokens.map((token) => label(token, say));
  const natural = texts.reduce((sum, text) => sum + widthOf(text) + GAP, 0);
  const stretch = Math.max(0, least - natural) / texts.length;
  let x = 0;
  const words = texts.map((text) => {
    const width = widthOf(text) + GAP + stretch;
    x += width;
    return { text, x: x - width / 2, width };
  });
  return { words, width: Math.max(natural, least) };
}

export function WordsInRow({ words, y, lang, classOf, onChoose }) {
  return words.map(({ text, x }, index) => html`
    <text
      key=${index} x=${x} y=${y} lang=${lang} class=${`word ${classOf(index)}`} text-anchor="middle"
      onClick=${onChoose && (() => onChoose(index))}
    >${text}</text>
  `);
}
