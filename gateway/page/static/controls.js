// Fields that several views have.

import { html } from "./vendor/preact-htm.js";
import { usePage } from "./context.js";
import { directions, parseGlossary } from "./models.js";

export function ModelChoice({ value, label }) {
  const { models, say, set } = usePage();
  return html`
    <label class="plain">
      <span>${label ?? say("model")}</span>
      <select value=${value} onChange=${(event) => set({ model: event.target.value, prefix: "" })}>
        ${directions(models).map(({ pair, models: those }) => html`
          <optgroup key=${directionName(pair, say)} label=${directionName(pair, say)}>
            ${those.map(({ name }) => html`<option key=${name} value=${name}>${name}</option>`)}
          </optgroup>
        `)}
      </select>
    </label>
  `;
}

export function directionName(pair, say) {
  const { sourceLanguageCode: source, targetLanguageCode: target } = pair;
  return source || target ? `${say.languageName(source)} → ${say.languageName(target)}` : say("anyLanguages");
}

// A text that one types, as high as it is long. `mark`: a part of it that lights up, as [start, end] in UTF-16 units.
export function SourceText({ label, lang, value, mark = null, placeholder, onText, onCaret }) {
  const tell = (event) => onCaret?.(event.target.selectionStart);
  return html`
    <label class="source">
      <span class="unseen">${label}</span>
      <span class="growing">
        <span class="backdrop" aria-hidden="true">
          ${mark ? html`${value.slice(0, mark[0])}<mark>${value.slice(...mark)}</mark>${value.slice(mark[1])}` : value}${"\n"}
        </span>
        <textarea
          lang=${lang} value=${value} placeholder=${placeholder} rows="1" spellcheck="false"
          onInput=${(event) => onText(event.target.value)}
          onKeyUp=${tell} onClick=${tell} onBlur=${() => onCaret?.(null)}
        ></textarea>
      </span>
    </label>
  `;
}

// Sentences to begin with, in the language that the model reads.
export function Examples({ lang, onText }) {
  const { say } = usePage();
  const examples = EXAMPLES[lang] ?? [];
  return (
    examples.length > 0 &&
    html`
      <p class="examples">
        <span class="quiet">${say("tryOne")}</span>
        ${examples.map((text) => html`<button key=${text} type="button" class="link" lang=${lang} onClick=${() => onText(text)}>${text}</button>`)}
      </p>
    `
  );
}

const EXAMPLES = {
  en: [
    "Two young men are playing guitar in the park.",
    "A black dog is running through the snow.",
    "The woman in the red coat is reading a book. It is raining.",
  ],
  fr: ["Deux jeunes hommes jouent de la guitare dans le parc.", "Un chien noir court dans la neige."],
};

export function SearchOptions() {
  const { state, set, say } = usePage();
  const { wrongLines } = parseGlossary(state.glossary);
  return html`
    <details class="options" open=${Boolean(state.glossary || state.keep)}>
      <summary>${say("options")}</summary>
      <div class="fields">
        <label>
          <span>${say("glossary")}</span>
          <textarea
            rows="3" value=${state.glossary} placeholder=${say("glossaryExample")} spellcheck="false"
            aria-invalid=${wrongLines.length > 0} aria-describedby="glossary-problem"
            onInput=${(event) => set({ glossary: event.target.value })}
          ></textarea>
          <small id="glossary-problem">${wrongLines.length > 0 && say("glossaryProblem", { lines: wrongLines.join(", ") })}</small>
        </label>
        <label>
          <span>${say("keep")}</span>
          <textarea
            rows="3" value=${state.keep} placeholder=${say("keepExample")} spellcheck="false"
            onInput=${(event) => set({ keep: event.target.value })}
          ></textarea>
        </label>
        <label>
          <span>${say("beam")}</span>
          <select value=${state.beam} onChange=${(event) => set({ beam: event.target.value })}>
            ${["1", "2", "4", "8"].map((size) => html`<option key=${size} value=${size}>${size === "1" ? say("greedy") : size}</option>`)}
          </select>
        </label>
      </div>
    </details>
  `;
}

export function Problem({ error }) {
  const { say } = usePage();
  if (!error) return html`<div role="alert"></div>`;
  const wait = error.retryAfter ? ` ${say("retryAfter", { seconds: error.retryAfter })}` : "";
  return html`<div role="alert"><p class="problem">${error.message || error.code}${wait}</p></div>`;
}
