// What a model without attention has instead: everything that it knows of the source passes through one vector. Of the
// plain recurrent network this is the state that it has by then, which has read no further than it has written.

import { html } from "./vendor/preact-htm.js";
import { usePage } from "./context.js";
import { layOut, WordsInRow } from "./row_of_words.js";

const TOP = 26;
const MIDDLE = 120;
const BOTTOM = 214;
const NUM_CELLS = 9; // a drawing of a vector, whose numbers are many more

export function OneVector({ sources, tokens, step, onStep, from, to, model }) {
  const { say } = usePage();
  const readsAsItWrites = model.architecture === "rnn";
  const below = layOut(tokens.map(({ token }) => token), say);
  const above = layOut(sources, say, Math.max(below.width, 320));
  const width = above.width;
  const written = layOut(tokens.map(({ token }) => token), say, width).words;
  const centre = width / 2;
  const isRead = (index) => !readsAsItWrites || index <= step;
  return html`
    <div class="drawing" tabindex="0" role="group" aria-label=${say("vectorLabel")}>
      <svg width=${width} height=${BOTTOM + 24} viewBox=${`0 0 ${width} ${BOTTOM + 24}`} aria-hidden="true">
        ${above.words.map(({ x }, index) => isRead(index) && html`<path key=${index} class="line now thin" d=${curve(x, TOP, centre, MIDDLE - 15)} />`)}
        ${written.slice(0, step + 1).map(({ x }, index) => html`
          <path key=${index} class=${index === step ? "line now" : "line"} stroke-width=${index === step ? 5 : 1.5} d=${curve(centre, MIDDLE + 15, x, BOTTOM)} />
        `)}
        <g class="vector" transform=${`translate(${centre - NUM_CELLS * 9} ${MIDDLE - 14})`}>
          ${Array.from({ length: NUM_CELLS }, (_, index) => html`
            <rect key=${index} x=${index * 18} width="16" height="28" rx="3" fill-opacity=${0.35 + 0.6 * Math.abs(Math.sin(index * 2.4 + (readsAsItWrites ? step : 0)))} />
          `)}
        </g>
        <text class="word" x=${centre + NUM_CELLS * 9 + 12} y=${MIDDLE + 6}>${readsAsItWrites ? html`h<tspan class="small" dy="5">${step + 1}</tspan>` : "v"}</text>
        <${WordsInRow} words=${above.words} y=${TOP - 8} lang=${from} classOf=${(index) => (isRead(index) ? "" : "later")} />
        <${WordsInRow}
          words=${written} y=${BOTTOM + 16} lang=${to} onChoose=${onStep}
          classOf=${(index) => (index === step ? "now" : index > step ? "later" : "")}
        />
      </svg>
    </div>
  `;
}

function curve(x, y, toX, toY) {
  const middle = (y + toY) / 2;
  return `M${x} ${y}C${x} ${middle} ${toX} ${middle} ${toX} ${toY}`;
}
