// Compare: one text by every model of its languages at once, as a race. What came in milliseconds is shown slowly: the
// times on the page are those that the gateway has measured.

import { html, useEffect, useMemo, useRef, useState } from "./vendor/preact-htm.js";
import { CallError, events } from "./calls.js";
import { usePage } from "./context.js";
import { Examples, ModelChoice, Problem, SourceText } from "./controls.js";
import { bleu, chosenModel, comparable, pairOf, translateRequest } from "./models.js";
import { ShadedText, textOf } from "./tokens.js";

const TYPING_MILLISECONDS = 500;
const MAX_COMPARED = 12;
const SPEEDS = ["1", "50", "200", "500"];

export function Compare() {
  const { state, set, say, models } = usePage();
  const model = chosenModel(models, state.model);
  const { sourceLanguageCode: from, targetLanguageCode: to } = pairOf(model);
  const racers = useMemo(() => comparable(models, model).slice(0, MAX_COMPARED), [models, model]);
  const { lanes, error, clock, isOver, start } = useRace(racers, Number(state.slow) || 1);
  const places = isOver ? placesOf(lanes) : {};
  const horizon = Math.max(1, ...Object.values(lanes).map(({ last }) => last));

  return html`
    <h1 class="unseen">${say("compare")}</h1>
    <div class="bar">
      <${ModelChoice} value=${model.name} />
      <label class="plain">
        <span>${say("speed")}</span>
        <select value=${state.slow} onChange=${(event) => set({ slow: event.target.value })}>
          ${SPEEDS.map((slow) => html`<option key=${slow} value=${slow}>${slow === "1" ? say("asItIs") : say("slower", { times: Number(slow) })}</option>`)}
        </select>
      </label>
    </div>
    <form class="ask" onSubmit=${(event) => { event.preventDefault(); start(); }}>
      <${SourceText} label=${say("source")} lang=${from} value=${state.text} placeholder=${say("sourceHint")} onText=${(text) => set({ text })} />
      <button class="primary" disabled=${!state.text.trim()}>${say("race")}</button>
    </form>
    ${!state.text && html`<${Examples} lang=${from} onText=${(text) => set({ text })} />`}
    <${Problem} error=${error} />
    <p class="unseen" role="status">${isOver && announcement(racers, lanes, places, say)}</p>
    <div class="lanes">
      ${racers.map((racer) => html`
        <${Lane} key=${racer.name} model=${racer} lane=${lanes[racer.name]} place=${places[racer.name]} clock=${clock} horizon=${horizon} lang=${to} />
      `)}
    </div>
    <p class="quiet legend"><span class="token" style=${{ "--sure": 0.15 }}>${say("unsure")}</span> <span class="token" style=${{ "--sure": 0.6 }}>${say("halfSure")}</span> <span class="token" style=${{ "--sure": 1 }}>${say("sure")}</span> · ${say("raceNote")}</p>
  `;
}

// The race of the models whenever the text rests, or is started anew. `clock`: milliseconds of the race that are shown.
function useRace(racers, slow) {
  const { state, server } = usePage();
  const [race, setRace] = useState({ lanes: {}, error: null, isDecoded: true });
  const [clock, setClock] = useState(Infinity);
  const began = useRef(0);
  const [run, setRun] = useState(0);
  const isFirst = useRef(true);
  const names = racers.map(({ name }) => name);
  const text = state.text.trim() ? state.text : "";

  useEffect(() => {
    if (!text || server.problem) {
      if (!text) setRace({ lanes: {}, error: null, isDecoded: true });
      return;
    }
    const stop = new AbortController();
    const timer = setTimeout(follow, isFirst.current ? 0 : TYPING_MILLISECONDS);
    isFirst.current = false;

    async function follow() {
      const { model: _, ...request } = translateRequest({ ...state, beam: "1", glossary: "", keep: "" }, racers[0], text);
      let lanes = Object.fromEntries(names.map((name) => [name, { events: [], error: null, first: 0, last: 0 }]));
      const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
      setRace({ lanes, error: null, isDecoded: false });
      began.current = performance.now();
      setClock(still ? Infinity : 0);
      try {
        const asked = { models: names, request: { ...request, decoding: { returnTokenScores: true } } };
        for await (const event of events("compare", asked, stop.signal)) {
          lanes = { ...lanes, [event.model]: withEvent(lanes[event.model], event) };
          if (event.error?.code === "UNAVAILABLE") throw new CallError(event.error);
          setRace({ lanes, error: null, isDecoded: false });
        }
        setRace({ lanes, error: null, isDecoded: true });
      } catch (error) {
        if (stop.signal.aborted) return;
        if (error.isLoss) server.reportLoss(error);
        setRace({ lanes, error: error.isLoss ? null : error, isDecoded: true });
      }
    }

    return () => {
      stop.abort();
      clearTimeout(timer);
    };
  }, [text, names.join(" "), run, server.epoch, server.problem]);

  const end = Math.max(0, ...Object.values(race.lanes).map(({ last }) => last));
  const isShown = race.isDecoded && clock >= end;
  const isOver = isShown && end > 0;
  useEffect(() => {
    if (isShown || clock === Infinity) return;
    let before = clock ? performance.now() : began.current;
    let frame = requestAnimationFrame(advance);
    function advance(now) {
      const passed = Math.max(0, now - before) / slow; // a frame's time may be earlier than that of its request
      before = now;
      setClock((shown) => shown + passed);
      frame = requestAnimationFrame(advance);
    }
    return () => cancelAnimationFrame(frame);
  }, [clock === Infinity, isShown, slow, began.current]);

  function start() {
    isFirst.current = true; // it waits for nobody
    setRun(run + 1);
  }
  return { ...race, clock, isOver, start };
}

function withEvent(lane, event) {
  if (event.error) return { ...lane, error: event.error };
  const first = lane.first || (event.tokens.length ? event.milliseconds : 0);
  return { ...lane, events: [...lane.events, event], first, last: event.milliseconds };
}

// Who was first, by the time of the last token.
function placesOf(lanes) {
  const finished = Object.entries(lanes).filter(([, lane]) => !lane.error && lane.last > 0);
  finished.sort(([, a], [, b]) => a.last - b.last);
  return Object.fromEntries(finished.map(([name], index) => [name, index + 1]));
}

function announcement(racers, lanes, places, say) {
  const told = racers.filter(({ name }) => places[name]).sort((a, b) => places[a.name] - places[b.name]);
  return told.map(({ name }) => `${places[name]}. ${name}, ${say.number(lanes[name].last, 1)} ms: ${translationOf(lanes[name])}`).join(" ");
}

const translationOf = (lane) => lane.events.findLast(({ translation }) => translation)?.translation.translatedText ?? "";

function Lane({ model, lane, place, clock, horizon, lang }) {
  const { say } = usePage();
  const shown = lane?.events.filter(({ milliseconds }) => milliseconds <= clock) ?? [];
  const tokens = useMemo(() => shown.flatMap((event) => event.tokens), [shown.length, shown[0]]);
  const shaded = useMemo(() => html`<${ShadedText} tokens=${tokens} say=${say} />`, [tokens, say]);
  const translation = shown.at(-1)?.translation;
  const quality = bleu(model);
  const percent = (milliseconds) => `${((100 * milliseconds) / horizon).toFixed(2)}%`;
  const isDifferent = translation && translation.translatedText.trim() !== textOf(tokens).trim();
  return html`
    <article class="lane" aria-label=${model.name} aria-busy=${!translation}>
      <header>
        <h2>${model.name}</h2>
        <p class="quiet">${model.architecture}${quality && html` · BLEU ${say.number(quality.value, 1)}`}</p>
        ${place && html`<p class=${`place place-${place}`}><span class="unseen">${say("place")}</span> ${place}</p>`}
      </header>
      <div class="ruler" aria-hidden="true">
        <div class="done" style=${{ width: percent(Math.min(clock, lane?.last ?? 0)) }}></div>
        ${shown.map((event, index) => event.tokens.length > 0 && html`<i key=${index} style=${{ left: percent(event.milliseconds) }}></i>`)}
      </div>
      <p class="target" lang=${lang}>${shaded}</p>
      ${isDifferent && html`<p class="quiet whole">→ <span lang=${lang}>${translation.translatedText}</span></p>`}
      ${lane?.error && html`<p class="problem">${lane.error.message || lane.error.code}</p>`}
      <dl>
        <div><dt>${say("firstToken")}</dt><dd>${shown.length ? `${say.number(lane.first, 1)} ms` : "–"}</dd></div>
        <div><dt>${say("lastToken")}</dt><dd>${translation ? `${say.number(lane.last, 1)} ms` : "–"}</dd></div>
        <div><dt>${say("perToken")}</dt><dd>${translation ? say.number(translation.score) : "–"}</dd></div>
      </dl>
    </article>
  `;
}
