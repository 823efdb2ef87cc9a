// An engine's batch in time: a lane for each row, a bar for each sentence, now at the right.

import { html, useEffect, useRef } from "./vendor/preact-htm.js";

const WIDTH = 1000; // of the drawing, in units of its own
const LANE = 4;
const LEAST_LANES = 8;
const LEAST_WIDTH = 1.5; // of a bar, so that the shortest is seen
const DELAY_MILLISECONDS = 400; // so that what has not come yet is not missing at the right

const KINDS = {
  sentence: (bar) => bar.isOver && !bar.isBulk,
  "sentence running": (bar) => !bar.isOver && !bar.isBulk,
  "sentence bulk": (bar) => bar.isBulk,
};

// `isStill`: whether nothing is to move between two states.
export function Strip({ track, span, isStill }) {
  const moving = useRef(null);
  useEffect(() => {
    if (isStill) return;
    let frame = requestAnimationFrame(move);
    function move(at) {
      const passed = track.clockAt(at) - DELAY_MILLISECONDS - track.now;
      moving.current?.setAttribute("transform", `translate(${((-passed * WIDTH) / span).toFixed(2)} 0)`);
      frame = requestAnimationFrame(move);
    }
    return () => cancelAnimationFrame(frame);
  }, [track, span, isStill]);

  const height = LANE * Math.max(LEAST_LANES, track.numLanes);
  const bars = [...track.bars.values()];
  return html`
    <svg class="strip" viewBox=${`0 0 ${WIDTH} ${height}`} preserveAspectRatio="none" style=${{ height: `${height}px` }} aria-hidden="true">
      <g ref=${moving}>
        ${Object.entries(KINDS).map(([kind, is]) => html`<path key=${kind} class=${kind} d=${bars.filter(is).map((bar) => outline(bar, track.now, span)).join("")} />`)}
      </g>
    </svg>
  `;
}

// What runs is drawn beyond now: it runs until it is told to have left.
function outline({ lane, height, from, to, isOver }, now, span) {
  const at = (milliseconds) => WIDTH + ((milliseconds - now) * WIDTH) / span;
  const end = isOver ? at(to) : at(now) + WIDTH;
  const width = Math.max(end - at(from), LEAST_WIDTH).toFixed(2);
  return `M${at(from).toFixed(2)} ${lane * LANE}h${width}v${height * LANE - 1}h${-width}z`;
}
