// What the model thinks of a translation that somebody types.

import { html, useEffect, useState } from "./vendor/preact-htm.js";
import { call } from "./calls.js";
import { usePage } from "./context.js";
import { Problem } from "./controls.js";
import { languagesOf } from "./models.js";
import { ShadedText } from "./tokens.js";

export function OwnTranslation({ model, source, best, lang }) {
  const { state, set, say, server } = usePage();
  const [shown, setShown] = useState({ scores: null, error: null });
  const [isRunning, setIsRunning] = useState(false);
  useEffect(() => setShown({ scores: null, error: null }), [model.name, source]);

  async function submit(event) {
    event.preventDefault();
    const pair = (translatedText) => ({ content: source, translatedText });
    setIsRunning(true);
    try {
      const pairs = [pair(state.typed), pair(best.translatedText)];
      const { scores } = await call("score", { pairs, model: model.name, ...languagesOf(model) });
      setShown({ scores, error: null });
    } catch (error) {
      if (error.isLoss) server.reportLoss(error);
      setShown({ scores: null, error: error.isLoss ? null : error });
    }
    setIsRunning(false);
  }

  const [own, models] = shown.scores ?? [];
  return html`
    <section>
      <h2>${say("own")}</h2>
      <p>${say("ownNote")}</p>
      <form class="ask" onSubmit=${submit}>
        <label class="plain wide">
          <span>${say("ownLabel")}</span>
          <input type="text" lang=${lang} value=${state.typed} onInput=${(event) => set({ typed: event.target.value })} autocomplete="off" spellcheck="false" />
        </label>
        <button class="primary" disabled=${!state.typed.trim() || isRunning}>${say("score")}</button>
      </form>
      <${Problem} error=${shown.error} />
      <div role="status">
        ${own && html`
          <p class="target" lang=${lang}><${ShadedText} tokens=${own.tokens} say=${say} /></p>
          <p class="figures">${say("ownScore", { sum: say.number(own.logProb), mean: say.number(own.score), best: say.number(models.score) })}</p>
        `}
      </div>
    </section>
  `;
}
