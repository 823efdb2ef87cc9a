// Tokens as people read them.

import { html } from "./vendor/preact-htm.js";

const SPACE = "\u2581"; // how a vocabulary writes that a word begins
const CARRIER = /[\ue000-\uf8ff]/g; // in whose place an address or an emoji is put back

export const isEnd = (token) => token === "</s>";
export const beginsWord = ({ token }) => token.startsWith(SPACE);
export const probability = (token) => Math.exp(token.logProb);

// The text that tokens stand for, without the end.
export function textOf(tokens) {
  const pieces = tokens.map(({ token }) => token).filter((token) => !isEnd(token));
  return pieces.join("").replaceAll(SPACE, " ").trimStart();
}

// A token by itself, as in a drawing: what goes on with a word begins with a dot.
export function label(token, say) {
  if (isEnd(token)) return say("end");
  const shown = token.replace(CARRIER, "◆");
  return shown.startsWith(SPACE) ? shown.slice(1) || "␣" : `·${shown}`;
}

// Tokens as one text, each the deeper shaded the less sure the model was.
export function ShadedText({ tokens, say }) {
  return tokens.map((token, index) => {
    const text = isEnd(token.token) ? "∎" : token.token.replaceAll(SPACE, " ").replace(CARRIER, "◆");
    const title = `${label(token.token, say)}  ${say.percent(probability(token))}  (${say.number(token.logProb)})`;
    const space = text.startsWith(" ") && index ? " " : "";
    const kind = `token${isEnd(token.token) ? " end" : ""}`;
    return html`${space}<span class=${kind} style=${{ "--sure": probability(token).toFixed(3) }} title=${title}>${text.trimStart()}</span>`;
  });
}
