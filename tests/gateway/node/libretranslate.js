// node libretranslate.js URL
import libretranslate from "libretranslate";

const [, , apiurl] = process.argv;
const query = "A dog sleeps.";
const translated = await libretranslate.translate({ query, source: "en", target: "fr", apiurl });
const detected = await libretranslate.translate({ query, target: "fr", apiurl });
const unknown = await libretranslate.translate({ query, source: "en", target: "de", apiurl }).catch((error) => error.message);
console.log(JSON.stringify({ translated, detected, unknown }));
