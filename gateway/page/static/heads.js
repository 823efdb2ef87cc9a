// The heads of a model's attention: which of them is looked at, and what it looks at.

import { html } from "./vendor/preact-htm.js";
import { usePage } from "./context.js";

// Its index; null where what is drawn is the attention that the model's alignments are, mostly the mean of all heads.
export function chosenHead(state, model) {
  const head = Number.parseInt(state.head, 10) - 1;
  return hasHeads(model) && head >= 0 && head < model.alignmentHeadCount ? head : null;
}

const hasHeads = (model) => model.alignmentHeadCount > 1;

// The tokens with what one head attended to. `withHeads`: the same ones, or those of a translation that was before, or
// none, as long as they have not come.
export function seenBy(head, tokens, withHeads) {
  if (head === null || tokens.some(({ token }, index) => token !== withHeads[index]?.token)) return tokens;
  return tokens.map((token, index) => ({ ...token, alignment: withHeads[index].alignmentHeads[head]?.weights ?? token.alignment }));
}

export function HeadChoice({ model }) {
  const { state, set, say } = usePage();
  if (!hasHeads(model)) return null;
  const { alignmentHeadCount: number, countedAlignmentHeads: counted } = model;
  const names = (heads) => heads.map((head) => head + 1).join(", ");
  return html`
    <label class="plain">
      <span>${say("attentionOf")}</span>
      <select value=${String((chosenHead(state, model) ?? -1) + 1)} onChange=${(event) => set({ head: event.target.value })}>
        <option value="0">${counted.length === number ? say("allHeads") : say("countedHeads", { heads: names(counted) })}</option>
        ${Array.from({ length: number }, (_, head) => html`<option key=${head} value=${head + 1}>${say("head", { number: head + 1 })}</option>`)}
      </select>
    </label>
  `;
}
