// Batch: the running batch of every engine while it runs, which sentences join and leave, and what waits.

import { html, useEffect, useRef, useState } from "./vendor/preact-htm.js";
import { useBatches } from "./batches.js";
import { CallError, events } from "./calls.js";
import { usePage } from "./context.js";
import { ModelChoice, Problem } from "./controls.js";
import { chosenModel, comparable, pairOf, translateRequest } from "./models.js";
import { SENTENCES } from "./sentences.js";
import { Strip } from "./strip.js";

const SPANS = ["1", "3", "10", "30"]; // seconds
const AMOUNTS = ["10", "50", "200"];
const TABLE_MILLISECONDS = 1000; // between two changes of the numbers, so that they can be read
const MAX_COMPARED = 12;

export function Batch() {
  const { state, set, say } = usePage();
  const isStill = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const seconds = SPANS.includes(state.span) ? state.span : "3";
  const span = 1000 * Number(seconds);
  const { tracks, error } = useBatches(span, isStill);
  const numbers = useNumbers(tracks);

  return html`
    <h1 class="unseen">${say("batch")}</h1>
    <p>${say("batchNote")}</p>
    <div class="bar">
      <${Work} />
      <label class="plain">
        <span>${say("span")}</span>
        <select value=${seconds} onChange=${(event) => set({ span: event.target.value })}>
          ${SPANS.map((one) => html`<option key=${one} value=${one}>${say("seconds", { seconds: Number(one) })}</option>`)}
        </select>
      </label>
    </div>
    <${Problem} error=${error} />
    <div class="engines">
      ${tracks.map((track) => html`<${Engine} key=${nameOf(track, tracks)} name=${nameOf(track, tracks)} track=${track} span=${span} isStill=${isStill} />`)}
    </div>
    ${tracks.length > 0 && html`
      <p class="quiet legend">
        <span class="swatch running"></span> ${say("runs")} <span class="swatch"></span> ${say("hasLeft")} <span class="swatch bulk"></span> ${say("isBulk")}
        ${" · "}${say("stripNote")}
      </p>
      <${Numbers} rows=${numbers} />
    `}
  `;
}

// By the model; by its version and the engine's number as well where there are several.
function nameOf(track, tracks) {
  const same = tracks.filter(({ model }) => model === track.model);
  const version = same.some(({ version }) => version !== track.version) ? `@${track.version}` : "";
  const engine = same.some(({ engine }) => engine !== track.engine) ? ` · ${track.engine + 1}` : "";
  return `${track.model}${version}${engine}`;
}

function Engine({ name, track, span, isStill }) {
  const { say } = usePage();
  const { waiting, next } = track;
  return html`
    <article class="lane engine" aria-label=${name}>
      <header>
        <h2>${name}</h2>
        <p class="quiet">${say("rowsOf", { rows: track.rows, of: track.maxRows })}${waiting > 0 && ` · ${say("wait", { waiting })}`}</p>
      </header>
      <${Strip} track=${track} span=${span} isStill=${isStill} />
      <div class="queue" aria-hidden="true">
        ${next.map(({ id, sourceTokens, reservedRows, isBulk }) => html`
          <i key=${id} class=${isBulk ? "bulk" : ""} style=${{ width: `${2 + sourceTokens}px`, height: `${4 + reservedRows}px` }}></i>
        `)}
      </div>
    </article>
  `;
}

// What the table shows, once a second.
function useNumbers(tracks) {
  const [shown, setShown] = useState([]);
  const before = useRef(-Infinity);
  useEffect(() => {
    if (performance.now() < before.current + TABLE_MILLISECONDS) return;
    before.current = performance.now();
    setShown(tracks.map((track) => ({
      name: nameOf(track, tracks),
      rows: track.rows,
      maxRows: track.maxRows,
      waiting: track.waiting,
      longestWait: track.longestWait,
      ...track.rates,
    })));
  }, [tracks]);
  return shown;
}

function Numbers({ rows }) {
  const { say } = usePage();
  const columns = ["rows", "waiting", "longestWait", "joinedRate", "leftRate", "tokenRate"];
  return html`
    <div class="drawing" tabindex="0" role="group" aria-label=${say("numbers")}>
      <table>
        <caption class="unseen">${say("numbers")}</caption>
        <thead>
          <tr><th scope="col">${say("model")}</th>${columns.map((column) => html`<th key=${column} scope="col">${say(column)}</th>`)}</tr>
        </thead>
        <tbody>
          ${rows.map(({ name, rows: taken, maxRows, waiting, longestWait, joined, left, tokens }) => html`
            <tr key=${name}>
              <th scope="row">${name}</th>
              <td>${say("rowsOf", { rows: taken, of: maxRows })}</td>
              <td>${say.number(waiting, 0)}</td>
              <td>${say.number(longestWait, 0)} ms</td>
              <td>${say.number(joined, 0)}</td>
              <td>${say.number(left, 0)}</td>
              <td>${say.number(tokens, 0)}</td>
            </tr>
          `)}
        </tbody>
      </table>
    </div>
  `;
}

// Something to do for the models of a direction: many sentences at once, the text that was typed in another view if its
// language has no examples.
function Work() {
  const { state, set, say, models, server } = usePage();
  const [error, setError] = useState(null);
  const [isRunning, setIsRunning] = useState(false);
  const stop = useRef(null);
  useEffect(() => () => stop.current?.abort(), []);
  const model = chosenModel(models, state.model);
  const racers = comparable(models, model).slice(0, MAX_COMPARED);
  const amount = AMOUNTS.includes(state.amount) ? state.amount : "50";
  const examples = SENTENCES[pairOf(model).sourceLanguageCode] ?? (state.text.trim() ? [state.text.trim()] : []);

  async function submit(event) {
    event.preventDefault();
    stop.current = new AbortController();
    setIsRunning(true);
    setError(null);
    const text = Array.from({ length: Number(amount) }, (_, index) => examples[index % examples.length]).join("\n");
    const plain = { ...state, beam: "1", glossary: "", keep: "" };
    const { model: _, ...request } = translateRequest(plain, racers[0], Array.from(text).slice(0, racers[0].limits.maxContentCharacters).join(""));
    try {
      for await (const told of events("compare", { models: racers.map(({ name }) => name), request }, stop.current.signal)) {
        if (told.error) throw new CallError(told.error);
      }
    } catch (problem) {
      if (stop.current.signal.aborted) return;
      if (problem.isLoss) server.reportLoss(problem);
      else setError(problem);
    }
    setIsRunning(false);
  }

  return html`
    <form class="bar" onSubmit=${submit}>
      <${ModelChoice} value=${model.name} label=${say("modelsLike")} />
      <label class="plain">
        <span>${say("sentences")}</span>
        <select value=${amount} onChange=${(event) => set({ amount: event.target.value })}>
          ${AMOUNTS.map((one) => html`<option key=${one} value=${one}>${one}</option>`)}
        </select>
      </label>
      <button class="primary" disabled=${isRunning || !examples.length}>${say("giveWork")}</button>
      <${Problem} error=${error} />
    </form>
  `;
}
