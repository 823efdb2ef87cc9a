// Look inside: what a model attends to, step by step; what else its search has found; what it thinks of other words.

import { html, useEffect, useMemo, useState } from "./vendor/preact-htm.js";
import { AttentionLines } from "./attention_lines.js";
import { usePage } from "./context.js";
import { Examples, ModelChoice, Problem, SourceText } from "./controls.js";
import { Explanation } from "./explanation.js";
import { HeadChoice, chosenHead, seenBy } from "./heads.js";
import { HeatMap } from "./heat_map.js";
import { chosenModel, pairOf, translateRequest } from "./models.js";
import { OneVector } from "./one_vector.js";
import { OwnTranslation } from "./own_translation.js";
import { SearchTree } from "./search_tree.js";
import { beginsWord, label, probability, textOf } from "./tokens.js";
import { useTranslation } from "./translation.js";

const TYPING_MILLISECONDS = 400;
const BEAM = 5;
const STEP_MILLISECONDS = 700;
const MOST_DRAWN = 64; // tokens, of the source and of the translation: more would not be seen, and hold up the browser
const MOST_CHARACTERS = 400;
const MOST_WRITTEN = 160; // tokens, of a translation that repeats itself

export function Inside() {
  const { state, set, say, models } = usePage();
  const model = chosenModel(models, state.model);
  const { sourceLanguageCode: from, targetLanguageCode: to } = pairOf(model);
  const head = chosenHead(state, model);
  const request = state.text.trim() ? insideRequest(state, model) : null;
  const shown = useTranslation(request, TYPING_MILLISECONDS);
  const byHead = useTranslation(request && head !== null ? headsRequest(request) : null, TYPING_MILLISECONDS);
  const translation = shown.translation;
  const best = translation?.hypotheses[0];
  const drawn = useMemo(() => best?.tokens.slice(0, MOST_DRAWN) ?? [], [best]);
  const heads = byHead.source === shown.source ? byHead.translation?.hypotheses[0] : null;
  const seen = useMemo(() => seenBy(head, drawn, heads?.tokens ?? []), [head, drawn, heads]);
  const [chosen, setChosen] = useState(null); // a step, and the text whose it is: another head is looked at in the same one

  return html`
    <h1 class="unseen">${say("inside")}</h1>
    <div class="bar"><${ModelChoice} value=${model.name} /><${HeadChoice} model=${model} /></div>
    <${SourceText}
      label=${say("source")} lang=${from} value=${state.text} placeholder=${say("sourceHint")}
      onText=${(text) => set({ text, prefix: "" })}
    />
    ${!state.text && html`<${Examples} lang=${from} onText=${(text) => set({ text, prefix: "" })} />`}
    <${Problem} error=${shown.error ?? byHead.error} />
    ${drawn.length > 0 && html`
      ${(drawn.length < best.tokens.length || shown.source.length < state.text.length) && html`<p class="quiet">${say("tooLong", { number: MOST_DRAWN })}</p>`}
      <${Steps} model=${model} chosen=${chosen} onChoose=${setChosen} sources=${sourcesOf(translation, shown.source)} tokens=${seen} from=${from} to=${to} />
      <${Continue} tokens=${drawn} text=${best.translatedText} lang=${to} />
      <${SearchTree} hypotheses=${translation.hypotheses} lang=${to} />
      <${OwnTranslation} model=${model} source=${shown.source} best=${best} lang=${to} />
    `}
    <${Explanation} model=${model} />
  `;
}

// One sentence, whatever it looks like: what is inside is shown of a single run of the decoder. Attention of all tokens
// to all others is asked for no more of a text than is drawn.
function insideRequest(state, model) {
  const text = Array.from(state.text).slice(0, MOST_CHARACTERS).join("");
  const beamSize = Math.min(BEAM, model.limits.maxBeamSize);
  const decoding = {
    beamSize,
    maxOutputTokens: Math.min(MOST_WRITTEN, model.limits.maxOutputTokens),
    numHypotheses: beamSize,
    returnTokenScores: true,
    returnAlignment: model.hasAlignment,
    targetPrefix: state.prefix,
  };
  const plain = { ...state, glossary: "", keep: "" };
  return { ...translateRequest(plain, model, text, decoding), splitSentences: "SENTENCE_SPLITTING_NONE" };
}

// What each head of the attention looks at, of the best hypothesis alone. It is asked for by itself, as it may be more
// than the server sends of a long text: the mean is drawn then.
function headsRequest(request) {
  return { ...request, decoding: { ...request.decoding, numHypotheses: 1, returnAlignmentHeads: true } };
}

// The source's tokens; its words, where the server does not tell them.
function sourcesOf(translation, source) {
  if (translation.sourceTokens.length) return translation.sourceTokens;
  return source.trim().split(/\s+/).map((word) => `\u2581${word}`);
}

function Steps({ model, chosen, onChoose, sources, tokens, from, to }) {
  const { say } = usePage();
  const last = tokens.length - 1;
  const text = textOf(tokens);
  const [isPlaying, setIsPlaying] = useState(false);
  const now = chosen?.text === text ? Math.min(chosen.step, last) : last;
  const setStep = (step) => onChoose({ text, step });
  useEffect(() => {
    if (!isPlaying) return;
    if (now >= last) return setIsPlaying(false);
    const timer = setTimeout(() => setStep(now + 1), STEP_MILLISECONDS);
    return () => clearTimeout(timer);
  }, [isPlaying, now]);

  function play() {
    if (!isPlaying && now >= last) setStep(0);
    setIsPlaying(!isPlaying);
  }
  const drawn = { sources: sources.slice(0, MOST_DRAWN), tokens, step: now, onStep: setStep, from, to };
  return html`
    <section>
      <h2>${say(model.hasAlignment ? "attention" : "noAttention")}</h2>
      <p>${say(model.hasAlignment ? "attentionNote" : `noAttention-${model.architecture}`)}</p>
      <div class="steps">
        <button type="button" onClick=${play}>${say(isPlaying ? "pause" : "play")}</button>
        <label class="plain wide">
          <span>${say("step", { step: now + 1, of: last + 1 })}</span>
          <input type="range" min="0" max=${last} value=${now} onInput=${(event) => setStep(Number(event.target.value))} aria-valuetext=${label(tokens[now].token, say)} />
        </label>
      </div>
      ${model.hasAlignment ? html`<${AttentionLines} ...${drawn} />` : html`<${OneVector} ...${drawn} model=${model} />`}
      <p class="reading" role="status">${reading(model, sources, tokens[now], say)}</p>
      ${model.hasAlignment && html`<${HeatMap} ...${drawn} />`}
    </section>
  `;
}

// The drawing of a step, in words.
function reading(model, sources, token, say) {
  const told = { word: label(token.token, say), percent: say.percent(probability(token)) };
  if (!model.hasAlignment) return say("stepNote", told);
  const strongest = token.alignment
    .map((weight, index) => ({ weight, index: index + token.alignmentStart }))
    .sort((a, b) => b.weight - a.weight)
    .slice(0, 3);
  const looks = strongest.map(({ weight, index }) => `${label(sources[index] ?? "", say)} ${say.percent(weight)}`).join(", ");
  return `${say("stepNote", told)} ${say("looksAt", { looks })}`;
}

// Another word in the place of one: what is before it stays, and the rest is decoded anew.
function Continue({ tokens, text, lang }) {
  const { state, set, say } = usePage();
  const [typed, setTyped] = useState(state.prefix);
  useEffect(() => setTyped(state.prefix), [state.prefix]);
  function submit(event) {
    event.preventDefault();
    set({ prefix: typed });
  }
  // A space of the token's own is typed already.
  const beginnings = tokens.map((token, index) => textOf([...tokens.slice(0, index), { token: beginsWord(token) ? "\u2581" : "" }]));
  function choose(index) {
    setTyped(beginnings[index]);
    document.getElementById("prefix").focus();
  }
  return html`
    <section>
      <h2>${say("continue")}</h2>
      <p id="continue-note">${say("continueNote")}</p>
      <p class="target chips" lang=${lang}>
        ${tokens.map((token, index) => html`
          <button
            key=${index} type="button" class="token chip" style=${{ "--sure": probability(token).toFixed(3) }}
            title=${say.percent(probability(token))}
            onClick=${() => choose(index)}
          >${label(token.token, say)}</button>
        `)}
      </p>
      <form class="ask" onSubmit=${submit}>
        <label class="plain wide">
          <span>${say("beginning")}</span>
          <input id="prefix" type="text" lang=${lang} value=${typed} aria-describedby="continue-note" onInput=${(event) => setTyped(event.target.value)} autocomplete="off" spellcheck="false" />
        </label>
        <button class="primary">${say("decodeRest")}</button>
        ${state.prefix && html`<button type="button" onClick=${() => set({ prefix: "" })}>${say("decodeAll")}</button>`}
      </form>
      ${state.prefix && html`<p class="result" role="status" lang=${lang}>${text}</p>`}
    </section>
  `;
}
