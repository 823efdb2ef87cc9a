// The hypotheses of a beam search as a tree: what they have in common is written once.

import { html } from "./vendor/preact-htm.js";
import { usePage } from "./context.js";
import { isEnd, probability, textOf } from "./tokens.js";

const LETTER = 9.2;
const ROW = 46;
const STUB = 34;

export function SearchTree({ hypotheses, lang }) {
  const { say } = usePage();
  if (hypotheses.length < 2) return html`<section><h2>${say("search")}</h2><p>${say("searchOne")}</p></section>`;
  const { nodes, width, height } = layOut(branch(hypotheses.map((hypothesis, rank) => ({ ...hypothesis, rank }))));
  return html`
    <section>
      <h2>${say("search")}</h2>
      <p>${say("searchNote", { number: hypotheses.length })}</p>
      <div class="drawing" tabindex="0" role="group" aria-label=${say("treeLabel")}>
        <svg width=${width} height=${height} viewBox=${`0 0 ${width} ${height}`} aria-hidden="true">
          ${nodes.map(({ x, y, fromX, fromY, text, hasTokens, certainty, leaf }, index) => html`
            <g key=${index} class=${leaf?.rank === 0 ? "branch best" : "branch"}>
              ${fromX !== null && html`<path class="line" stroke-width="2" d=${`M${fromX} ${fromY}C${fromX + STUB / 2} ${fromY} ${x - STUB / 2} ${y} ${x - 4} ${y}`} />`}
              <text class="word left" x=${x} y=${y + 5} lang=${lang}>${text || (leaf ? "∎" : "•")}</text>
              ${hasTokens && html`<text class="small" x=${x} y=${y + 20}>${say.percent(certainty)}</text>`}
              ${leaf && html`<text class="small strong" x=${x + Math.max(1, text.length) * LETTER + 14} y=${y + 5}>${say.number(leaf.score)}</text>`}
            </g>
          `)}
        </svg>
      </div>
      <ol class="hypotheses">
        ${hypotheses.map((hypothesis) => html`
          <li key=${hypothesis.translatedText}><span lang=${lang}>${hypothesis.translatedText}</span> <span class="score">${say.number(hypothesis.score)}</span></li>
        `)}
      </ol>
    </section>
  `;
}

// The longest beginning that all hypotheses share behind the first `from` tokens, and a branch for each token that
// goes on: { tokens, children, leaf }.
function branch(hypotheses, from = 0) {
  const [first] = hypotheses;
  let to = from;
  const isShared = (at) => hypotheses.every(({ tokens }) => tokens[at]?.token === first.tokens[at].token);
  while (to < first.tokens.length && isShared(to)) to += 1;
  const leaf = hypotheses.find(({ tokens }) => tokens.length === to) ?? null;
  const groups = new Map();
  for (const hypothesis of hypotheses) {
    const next = hypothesis.tokens[to]?.token;
    if (next === undefined) continue;
    if (!groups.has(next)) groups.set(next, []);
    groups.get(next).push(hypothesis);
  }
  const children = [...groups.values()].map((group) => branch(group, to));
  return { tokens: first.tokens.slice(from, to), children, leaf };
}

// Where the branches are: leaves below each other in the order of the tree, each branch in the middle of its own.
function layOut(root) {
  const nodes = [];
  let rows = 0;
  let width = 0;
  function place(node, x) {
    const tokens = node.tokens.filter(({ token }) => !isEnd(token));
    const text = textOf(tokens);
    const end = x + Math.max(1, text.length) * LETTER + 10;
    const certainty = node.tokens.reduce((product, token) => product * probability(token), 1);
    const placed = { x, text, fromX: null, fromY: null, leaf: node.leaf, hasTokens: node.tokens.length > 0, certainty };
    nodes.push(placed);
    width = Math.max(width, end + 70);
    const below = node.children.map((child) => place(child, end + STUB));
    if (!below.length) rows += 1;
    placed.y = below.length ? (below[0].y + below.at(-1).y) / 2 : (rows - 0.5) * ROW;
    for (const child of below) Object.assign(child, { fromX: end, fromY: placed.y });
    return placed;
  }
  place(root, 8);
  return { nodes, width, height: rows * ROW + 8 };
}
