// The attention matrix: a row for each token that is written, a column for each of the source's.

import { html, useState } from "./vendor/preact-htm.js";
import { usePage } from "./context.js";
import { label } from "./tokens.js";

const CELL = 30;
const LETTER = 9.2;

export function HeatMap({ sources, tokens, step, onStep, from, to }) {
  const { say } = usePage();
  const [pointed, setPointed] = useState(null);
  const columns = sources.map((token) => label(token, say));
  const rows = tokens.map(({ token }) => label(token, say));
  const left = 16 + LETTER * Math.max(...rows.map((text) => text.length));
  const top = 20 + 0.8 * LETTER * Math.max(...columns.map((text) => text.length));
  const tail = top * 0.8; // the last column's name leans out
  const width = left + columns.length * CELL + tail;
  const height = top + rows.length * CELL + 4;
  const weightAt = (row, column) => tokens[row].alignment[column - tokens[row].alignmentStart] ?? 0;

  return html`
    <figure>
      <div class="drawing" tabindex="0" role="group" aria-label=${say("heatMapLabel")}>
        <svg width=${width} height=${height} viewBox=${`0 0 ${width} ${height}`} aria-hidden="true" onMouseLeave=${() => setPointed(null)}>
          ${columns.map((text, column) => html`
            <text key=${column} lang=${from} class=${pointed?.column === column ? "word now" : "word"}
              transform=${`translate(${left + (column + 0.6) * CELL} ${top - 8}) rotate(-50)`}>${text}</text>
          `)}
          ${rows.map((text, row) => html`
            <text key=${row} x=${left - 10} y=${top + (row + 0.68) * CELL} lang=${to} text-anchor="end" onClick=${() => onStep(row)}
              class=${`word ${row === step ? "now" : row > step ? "later" : ""}`}>${text}</text>
          `)}
          ${rows.map((_, row) => columns.map((_, column) => html`
            <rect key=${`${row} ${column}`} class="cell" x=${left + column * CELL} y=${top + row * CELL} width=${CELL - 2} height=${CELL - 2}
              rx="3" style=${{ "--weight": row > step ? 0 : weightAt(row, column).toFixed(3) }}
              onMouseEnter=${() => setPointed({ row, column })} onClick=${() => onStep(row)} />
          `))}
          <rect class="frame" x=${left - 2} y=${top + step * CELL - 2} width=${columns.length * CELL + 2} height=${CELL + 2} rx="5" />
        </svg>
      </div>
      <figcaption class="quiet">
        ${pointed ? `${rows[pointed.row]} → ${columns[pointed.column]}: ${say.percent(weightAt(pointed.row, pointed.column))}` : say("heatMapNote")}
      </figcaption>
    </figure>
  `;
}
