// What the server says of its models, and what the page asks of it.

export function pairOf(model) {
  return model?.languagePairs[0] ?? { sourceLanguageCode: "", targetLanguageCode: "" };
}

const directionOf = (model) => {
  const { sourceLanguageCode, targetLanguageCode } = pairOf(model);
  return `${sourceLanguageCode} ${targetLanguageCode}`;
};

// The models of each direction: [{ pair, models }], in the server's order.
export function directions(models) {
  const found = new Map();
  for (const model of models) {
    const key = directionOf(model);
    if (!found.has(key)) found.set(key, { pair: pairOf(model), models: [] });
    found.get(key).models.push(model);
  }
  return [...found.values()];
}

export function chosenModel(models, name) {
  return models.find((model) => model.name === name) ?? models.find((model) => model.isDefault) ?? models[0];
}

// Models that translate the same languages, from the oldest architecture to the newest.
const AGES = ["rnn", "lstm", "lstm_attention", "transformer"];
const rank = (model) => (AGES.includes(model.architecture) ? AGES.indexOf(model.architecture) : AGES.length);
export function comparable(models, model) {
  return models.filter((one) => directionOf(one) === directionOf(model)).sort((a, b) => rank(a) - rank(b));
}

// One that translates the other way round, if there is one.
export function opposite(models, model) {
  const { sourceLanguageCode, targetLanguageCode } = pairOf(model);
  const is = (one) =>
    pairOf(one).sourceLanguageCode === targetLanguageCode && pairOf(one).targetLanguageCode === sourceLanguageCode;
  const found = models.filter((one) => directionOf(one) !== directionOf(model) && is(one));
  return found.find((one) => one.architecture === model.architecture) ?? found[0];
}

// A model of many languages has to be told the target; it is asked for the first pair that it lists.
export function languagesOf(model) {
  const several = model.languagePairs.length !== 1;
  const pair = pairOf(model);
  return several ? pair : {};
}

// A glossary is typed as "dog = chien", an entry a line.
export function parseGlossary(typed) {
  const entries = [];
  const wrongLines = [];
  typed.split("\n").forEach((line, index) => {
    if (!line.trim()) return;
    const [sourceTerm, ...rest] = line.split("=");
    const targetTerm = rest.join("=").trim();
    if (sourceTerm.trim() && targetTerm) entries.push({ sourceTerm: sourceTerm.trim(), targetTerm });
    else wrongLines.push(index + 1);
  });
  return { entries, wrongLines };
}

// The request that the page's settings make of a text.
export function translateRequest(state, model, contents, decoding = {}) {
  const { entries } = parseGlossary(state.glossary);
  const beamSize = Math.min(Number(state.beam) || 1, model.limits.maxBeamSize);
  return {
    contents: [contents],
    model: model.name,
    ...languagesOf(model),
    doNotTranslate: state.keep.split("\n").map((line) => line.trim()).filter(Boolean),
    decoding: { beamSize, ...(entries.length ? { glossary: { entries } } : {}), ...decoding },
  };
}

// BLEU on the first test set that the model was measured on.
export function bleu(model) {
  return model.qualityScores.find(({ metric }) => metric.startsWith("BLEU"));
}
