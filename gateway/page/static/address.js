// What the page shows is in its address, behind the #, which browsers keep to themselves: texts reach no log.

const DEFAULTS = {
  view: "translate",
  text: "",
  model: "",
  lang: "",
  theme: "",
  beam: "1",
  glossary: "",
  keep: "", // what is not translated, a text a line
  prefix: "", // what a translation begins with
  typed: "", // a translation to score
  head: "0", // whose attention is drawn, counted from 1; 0: the model's alignment
  slow: "200", // so many times slower than it was is a race shown
  span: "3", // seconds of the running batches that are shown
  amount: "50", // sentences that they are given at once
};

export function readAddress() {
  const given = new URLSearchParams(location.hash.slice(1));
  const state = { ...DEFAULTS };
  for (const name of Object.keys(DEFAULTS)) state[name] = given.get(name) ?? DEFAULTS[name];
  return state;
}

export function addressOf(state) {
  const told = new URLSearchParams();
  for (const [name, value] of Object.entries(DEFAULTS)) if (state[name] !== value) told.set(name, state[name]);
  return `#${told}`;
}

// Another view is a step in the browser's history; all else changes the step that there is.
export function writeAddress(state, before) {
  const address = addressOf(state);
  if (address === location.hash || (address === "#" && !location.hash)) return;
  history[state.view === before.view ? "replaceState" : "pushState"](null, "", address);
}
