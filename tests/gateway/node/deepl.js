// node deepl.js URL
import * as deepl from "deepl-node";

const client = new deepl.Translator("a-key-of-node", { serverUrl: process.argv[2] });
const one = await client.translateText("A dog sleeps.", null, "fr");
const several = await client.translateText(["A dog sleeps.", "<p>A dog sleeps.</p>"], "en", "fr", { tagHandling: "html" });
const languages = (await client.getSourceLanguages()).map((language) => language.code);
const targets = (await client.getTargetLanguages()).map((language) => language.code);
const made = await client.createGlossary("pets", "en", "fr", new deepl.GlossaryEntries({ entries: { dog: "toutou" } }));
const withGlossary = await client.translateText("A dog sleeps.", "en", "fr", { glossary: made });
const entries = (await client.getGlossaryEntries(made)).entries();
await client.deleteGlossary(made);
const left = (await client.listGlossaries()).length;
const usage = await client.getUsage();
let problem = "";
try {
  await client.translateText("A dog.", "en", "de");
} catch (error) {
  problem = error.message;
}
console.log(
  JSON.stringify({
    one: one.text,
    detected: one.detectedSourceLang,
    several: several.map((result) => result.text),
    languages,
    targets,
    withGlossary: withGlossary.text,
    entries,
    left,
    count: usage.character.count,
    problem,
  }),
);
