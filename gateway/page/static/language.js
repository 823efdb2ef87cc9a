// The page's own texts, in the languages that it speaks.

import en from "./texts/en.js";
import fr from "./texts/fr.js";
import ko from "./texts/ko.js";

const TEXTS = { en, fr, ko };
export const LANGUAGES = { en: "English", fr: "Français", ko: "한국어" };

export function chooseLanguage(asked) {
  const wanted = [asked, ...navigator.languages.map((code) => code.split("-")[0]), "en"];
  return wanted.find((code) => code in TEXTS);
}

// A function that says a text by its name, with {values} put in.
export function speaker(language) {
  const number = new Intl.NumberFormat(language, { maximumFractionDigits: 2 });
  const say = (name, values = {}) =>
    (TEXTS[language][name] ?? name).replace(/\{(\w+)\}/g, (_, key) =>
      typeof values[key] === "number" ? number.format(values[key]) : values[key],
    );
  say.language = language;
  // Made once: a formatter takes far longer to make than to use, and a race of long texts uses thousands.
  const byDigits = [0, 1, 2].map(
    (digits) => new Intl.NumberFormat(language, { minimumFractionDigits: digits, maximumFractionDigits: digits }),
  );
  const percent = new Intl.NumberFormat(language, { style: "percent" });
  say.number = (value, digits = 2) => byDigits[digits].format(value);
  say.percent = (value) => percent.format(value);
  const names = new Intl.DisplayNames(language, { type: "language" });
  say.languageName = (code) => {
    try {
      return names.of(code);
    } catch {
      return code; // a model may call its languages otherwise than BCP 47 does
    }
  };
  return say;
}
