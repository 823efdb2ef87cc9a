// The frame around the views: what is shown, in which language, and whether the server answers.

import { html, render, useCallback, useEffect, useMemo, useState } from "./vendor/preact-htm.js";
import { addressOf, readAddress, writeAddress } from "./address.js";
import { Batch } from "./batch.js";
import { Compare } from "./compare.js";
import { Page, usePage } from "./context.js";
import { Inside } from "./inside.js";
import { LANGUAGES, chooseLanguage, speaker } from "./language.js";
import { useServer } from "./server.js";
import { Translate } from "./translate.js";

const VIEWS = { translate: Translate, compare: Compare, inside: Inside, batch: Batch };
const THEMES = ["", "light", "dark"];

function useAddress() {
  const [state, setState] = useState(readAddress);
  useEffect(() => {
    const read = () => setState(readAddress());
    addEventListener("popstate", read);
    addEventListener("hashchange", read);
    return () => {
      removeEventListener("popstate", read);
      removeEventListener("hashchange", read);
    };
  }, []);
  const set = useCallback((changes) => {
    setState((before) => {
      const after = { ...before, ...changes };
      writeAddress(after, before);
      return after;
    });
  }, []);
  return [state, set];
}

function App() {
  const [state, set] = useAddress();
  const server = useServer();
  const language = chooseLanguage(state.lang);
  const say = useMemo(() => speaker(language), [language]);
  const view = state.view in VIEWS ? state.view : "translate";

  useEffect(() => {
    document.documentElement.lang = language;
    document.title = `${say(view)} · seq2serve`;
    document.documentElement.dataset.theme = THEMES.includes(state.theme) ? state.theme : "";
  }, [language, view, state.theme]);

  const page = useMemo(() => ({ state, set, say, server, models: server.models }), [state, set, say, server]);
  return html`
    <${Page.Provider} value=${page}>
      <a class="skip" href="#main" onClick=${skip}>${say("skip")}</a>
      <${Header} view=${view} language=${language} />
      <${Loss} problem=${server.problem} hasModels=${Boolean(server.models)} say=${say} />
      <main id="main" tabindex="-1">
        ${server.models?.length === 0 && html`<p class="problem" role="alert">${say("noModels")}</p>`}
        ${server.models?.length > 0 && html`<${VIEWS[view]} />`}
        ${!server.models && !server.problem && html`<p class="quiet">${say("loading")}</p>`}
      </main>
    <//>
  `;
}

function skip(event) {
  event.preventDefault(); // the address is the page's state
  document.getElementById("main").focus();
}

function Header({ view, language }) {
  const { state, set, say } = usePage();
  return html`
    <header>
      <p class="name">seq2serve</p>
      <nav aria-label=${say("views")}>
        ${Object.keys(VIEWS).map((name) => html`
          <a key=${name} href=${addressOf({ ...state, view: name })} aria-current=${name === view ? "page" : null}>
            ${say(name)}
          </a>
        `)}
      </nav>
      <div class="settings">
        <${Setting} label=${say("pageLanguage")} value=${language} options=${LANGUAGES} onChoose=${(lang) => set({ lang })} />
        <${Setting}
          label=${say("theme")} value=${state.theme} onChoose=${(theme) => set({ theme })}
          options=${Object.fromEntries(THEMES.map((name) => [name, say(`theme-${name || "auto"}`)]))}
        />
      </div>
    </header>
  `;
}

function Setting({ label, value, options, onChoose }) {
  return html`
    <label class="plain">
      <span class="unseen">${label}</span>
      <select value=${value} onChange=${(event) => onChoose(event.target.value)}>
        ${Object.entries(options).map(([name, text]) => html`<option key=${name} value=${name}>${text}</option>`)}
      </select>
    </label>
  `;
}

// Said once when the server is lost, and once when it is back.
function Loss({ problem, hasModels, say }) {
  const [wasLost, setWasLost] = useState(false);
  useEffect(() => {
    if (problem) setWasLost(true);
    else if (wasLost) {
      const timer = setTimeout(() => setWasLost(false), 4000);
      return () => clearTimeout(timer);
    }
  }, [problem, wasLost]);
  const text = problem ? (problem.isLoss ? say("lost") : problem.message) : wasLost && hasModels ? say("back") : "";
  return html`<div class="loss" role="status" data-lost=${Boolean(problem)}>${text && html`<p>${text}</p>`}</div>`;
}

render(html`<${App} />`, document.getElementById("page"));
