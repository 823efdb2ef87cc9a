// Attention as lines from the word that is written to the words that it attends to.

import { html } from "./vendor/preact-htm.js";
import { usePage } from "./context.js";
import { layOut, WordsInRow } from "./row_of_words.js";

const TOP = 26;
const BOTTOM = 190;
const LEAST_WEIGHT = 0.02; // what is less is not drawn

export function AttentionLines({ sources, tokens, step, onStep, from, to }) {
  const { say } = usePage();
  const below = layOut(tokens.map(({ token }) => token), say);
  const above = layOut(sources, say, below.width);
  const written = layOut(tokens.map(({ token }) => token), say, above.width).words;
  const lines = tokens.slice(0, step + 1).flatMap(({ alignment, alignmentStart }, index) =>
    alignment
      .map((weight, at) => ({ index, weight, source: above.words[at + alignmentStart] }))
      .filter(({ weight, source }) => source && weight >= (index === step ? LEAST_WEIGHT : 0.3)),
  );
  const { alignment = [], alignmentStart = 0 } = tokens[step];
  const isSeen = (index) => (alignment[index - alignmentStart] ?? 0) >= 0.1;
  return html`
    <div class="drawing" tabindex="0" role="group" aria-label=${say("linesLabel")}>
      <svg width=${above.width} height=${BOTTOM + 24} viewBox=${`0 0 ${above.width} ${BOTTOM + 24}`} aria-hidden="true">
        ${lines.map(({ index, weight, source }) => html`
          <path
            key=${`${index} ${source.x}`} class=${index === step ? "line now" : "line"} d=${curve(source.x, written[index].x)}
            stroke-width=${index === step ? 1 + 7 * weight : 1.5} stroke-opacity=${index === step ? 0.25 + 0.75 * weight : 0.25 * weight}
          />
        `)}
        <${WordsInRow} words=${above.words} y=${TOP - 8} lang=${from} classOf=${(index) => (isSeen(index) ? "now" : "")} />
        <${WordsInRow}
          words=${written} y=${BOTTOM + 16} lang=${to} onChoose=${onStep}
          classOf=${(index) => (index === step ? "now" : index > step ? "later" : "")}
        />
      </svg>
    </div>
  `;
}

function curve(top, bottom) {
  const middle = (TOP + BOTTOM) / 2;
  return `M${top} ${TOP}C${top} ${middle} ${bottom} ${middle} ${bottom} ${BOTTOM}`;
}
