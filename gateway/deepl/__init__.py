"""DeepL's API, version 2: texts, languages, glossaries and usage."""
