// Translate: a text, and its translation as it is decoded. Segments light up together with their source.

import { html, useEffect, useRef, useState } from "./vendor/preact-htm.js";
import { usePage } from "./context.js";
import { Examples, ModelChoice, Problem, SearchOptions, SourceText } from "./controls.js";
import { chosenModel, opposite, pairOf, translateRequest } from "./models.js";
import { useTranslation } from "./translation.js";

const TYPING_MILLISECONDS = 300;
const NUM_ALTERNATIVES = 5;

// Positions of the contract count code points; those of JavaScript do not.
const slice = (text, start, end) => Array.from(text).slice(start, end).join("");

export function Translate() {
  const { state, set, say, models } = usePage();
  const model = chosenModel(models, state.model);
  const { sourceLanguageCode: from, targetLanguageCode: to } = pairOf(model);
  const other = opposite(models, model);
  const request = state.text.trim() ? translateRequest(state, model, state.text) : null;
  const shown = useTranslation(request, TYPING_MILLISECONDS);
  const [active, setActive] = useState(null);
  const segments = shown.translation?.segments ?? [];

  const mark = shown.source === state.text && segments[active] && [
    slice(state.text, 0, segments[active].sourceStart).length,
    slice(state.text, 0, segments[active].sourceEnd).length,
  ];
  function followCaret(caret) {
    const at = caret === null ? -1 : Array.from(state.text.slice(0, caret)).length;
    const found = segments.findIndex(({ sourceStart, sourceEnd }) => sourceStart <= at && at <= sourceEnd);
    setActive(found < 0 ? null : found);
  }
  function turnAround() {
    set({ model: other.name, text: shown.translation?.translatedText ?? state.text });
  }

  return html`
    <h1 class="unseen">${say("translate")}</h1>
    <div class="bar">
      <${ModelChoice} value=${model.name} />
      ${other && html`<button type="button" onClick=${turnAround}>⇄ ${say("turnAround")}</button>`}
    </div>
    <div class="panes">
      <section class="pane" aria-label=${say.languageName(from)}>
        <h2>${say.languageName(from)}</h2>
        <${SourceText}
          label=${say("source")} lang=${from} value=${state.text} mark=${mark} placeholder=${say("sourceHint")}
          onText=${(text) => set({ text })} onCaret=${followCaret}
        />
        ${!state.text && html`<${Examples} lang=${from} onText=${(text) => set({ text })} />`}
      </section>
      <section class="pane" aria-label=${say.languageName(to)} aria-busy=${shown.isRunning}>
        <h2>${say.languageName(to)}</h2>
        <${Target} shown=${shown} lang=${to} model=${model} active=${active} setActive=${setActive} />
      </section>
    </div>
    <${Problem} error=${shown.error} />
    <p class="figures" role="status">${shown.translation && !shown.isRunning && figures(shown, say)}</p>
    <${SearchOptions} />
  `;
}

function figures({ translation, first, last }, say) {
  const { outputTokenCount: tokens, score } = translation;
  return say("figures", { tokens, first: say.number(first, 1), last: say.number(last, 1), score: say.number(score) });
}

// The translation. `choices`: what was chosen instead of a segment, by its index.
function Target({ shown, lang, model, active, setActive }) {
  const { say } = usePage();
  const { source, text, translation, isRunning } = shown;
  const [choices, setChoices] = useState({});
  const [open, setOpen] = useState(null);
  const output = useRef(null);
  useEffect(() => {
    setChoices({});
    setOpen(null);
  }, [translation]);

  if (!translation) {
    return html`<p class="target" lang=${lang}>${text}${isRunning && text && html`<span class="caret" aria-hidden="true"></span>`}</p>`;
  }
  const whole = translation.translatedText;
  const parts = [];
  let end = 0;
  translation.segments.forEach((segment, index) => {
    parts.push(slice(whole, end, segment.translationStart));
    parts.push({ index, text: choices[index] ?? slice(whole, segment.translationStart, segment.translationEnd) });
    end = segment.translationEnd;
  });
  parts.push(slice(whole, end));
  const plain = parts.map((part) => part.text ?? part).join("");

  function sourceOf(index) {
    const { sourceStart, sourceEnd } = translation.segments[index];
    return slice(source, sourceStart, sourceEnd);
  }
  function close() {
    output.current.querySelector(`[data-index="${open}"]`)?.focus();
    setOpen(null);
  }
  return html`
    <p class="target" lang=${lang} ref=${output}>
      ${parts.map((part) => part.text === undefined ? part : html`
        <${Segment}
          key=${part.index} ...${part} isActive=${part.index === active} isOpen=${part.index === open}
          setActive=${setActive} onOpen=${() => setOpen(open === part.index ? null : part.index)}
        />
      `)}
    </p>
    ${open !== null && html`
      <${Alternatives}
        key=${open} model=${model} lang=${lang} source=${sourceOf(open)}
        onChoose=${(chosen) => { setChoices({ ...choices, [open]: chosen }); close(); }} onClose=${close}
      />
    `}
    ${navigator.clipboard && plain && html`<${Copy} text=${plain} say=${say} />`}
  `;
}

function Segment({ index, text, isActive, isOpen, setActive, onOpen }) {
  const { say } = usePage();
  function press(event) {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    onOpen();
  }
  return html`<span
    class=${isActive ? "segment active" : "segment"} role="button" tabindex="0" data-index=${index}
    aria-expanded=${isOpen} title=${say("showAlternatives")}
    onClick=${onOpen} onKeyDown=${press} onFocus=${() => setActive(index)} onBlur=${() => setActive(null)}
    onMouseEnter=${() => setActive(index)} onMouseLeave=${() => setActive(null)}
  >${text}</span>`;
}

// What else a beam search finds for one segment.
function Alternatives({ model, lang, source, onChoose, onClose }) {
  const { state, say } = usePage();
  const beamSize = Math.min(NUM_ALTERNATIVES, model.limits.maxBeamSize);
  const decoding = { beamSize, numHypotheses: beamSize };
  const splitSentences = "SENTENCE_SPLITTING_NONE";
  const shown = useTranslation({ ...translateRequest(state, model, source, decoding), splitSentences });
  const list = useRef(null);
  useEffect(() => list.current?.querySelector("button")?.focus(), [shown.translation]);
  return html`
    <section class="alternatives" aria-label=${say("alternatives")} onKeyDown=${(event) => event.key === "Escape" && onClose()}>
      <h3>${say("alternatives")}</h3>
      <${Problem} error=${shown.error} />
      <ol ref=${list}>
        ${(shown.translation?.hypotheses ?? []).map((hypothesis) => html`
          <li key=${hypothesis.translatedText}>
            <button type="button" class="link" onClick=${() => onChoose(hypothesis.translatedText)}>
              <span lang=${lang}>${hypothesis.translatedText}</span> <span class="score">${say.number(hypothesis.score)}</span>
            </button>
          </li>
        `)}
      </ol>
      <button type="button" onClick=${onClose}>${say("close")}</button>
    </section>
  `;
}

function Copy({ text, say }) {
  const [isDone, setIsDone] = useState(false);
  async function copy() {
    await navigator.clipboard.writeText(text).then(() => setIsDone(true), () => {});
    setTimeout(() => setIsDone(false), 1500);
  }
  return html`<button type="button" class="copy" onClick=${copy}>${isDone ? say("copied") : say("copy")}</button>`;
}
