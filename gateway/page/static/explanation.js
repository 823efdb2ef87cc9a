// Each architecture in three sentences, with the formulas of its paper.

import { html, useLayoutEffect, useRef } from "./vendor/preact-htm.js";
import { usePage } from "./context.js";

const PAPERS = {
  rnn: "Sutskever, Vinyals & Le 2014, §2",
  lstm: "Sutskever, Vinyals & Le 2014, §2, (1)",
  lstm_attention: "Luong, Pham & Manning 2015, §3, (5), (7)",
  transformer: "Vaswani et al. 2017, §3.2.1, (1)",
};

export function Explanation({ model }) {
  const { say } = usePage();
  const { architecture } = model;
  const formulas = useRef(null);
  useLayoutEffect(() => {
    const template = document.getElementById(`formula-${architecture}`);
    formulas.current?.replaceChildren(...(template ? [template.content.cloneNode(true)] : []));
  }, [architecture]);
  if (!(architecture in PAPERS)) return html`<section><h2>${architecture}</h2><p>${say("otherArchitecture")}</p></section>`;
  return html`
    <section class="explanation">
      <h2>${say(`name-${architecture}`)}</h2>
      <p>${say(`about-${architecture}`)}</p>
      <div class="formulas" ref=${formulas}></div>
      <p class="quiet">${PAPERS[architecture]}</p>
    </section>
  `;
}
