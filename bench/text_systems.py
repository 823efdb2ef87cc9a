"""Systems that translate texts, each with its own tokenizer, so that toolkits are compared which share no ids.

    python -m bench.text_systems seq2serve[-listed]|ctranslate2 FOLDER

is one of them in a process of its own: lines of JSON in, lines of JSON out, see `text_worker.py`.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import ctranslate2

from bench.ctranslate2_system import CTranslate2, end_of_sources, open_sentencepieces, open_translator
from bench.process import BenchError
from bench.systems import LENGTH_PENALTY, OurEngine
from bench.text_worker import TextSystem, work
from server.bundle.manifest import read_bundle
from server.serving.models.directions import Direction, Directions
from server.text.bundle_tokenizers import open_tokenizers

MAX_OUTPUT_TOKENS = 256


class OurTexts(TextSystem):
    settings = OurEngine.settings

    def __init__(self, bundle: Path, is_listed: bool) -> None:
        """A bundle of one language pair. Raises BenchError for another."""
        opened = read_bundle(bundle)
        found = Directions(opened.manifest).find("", "")
        if not found or not isinstance(found.meant, Direction):
            raise BenchError(f"{bundle}: a model of one language pair expected")
        self._direction = found.meant
        self._tokenizers = open_tokenizers(opened)
        self._engine = OurEngine(bundle, threads=1, is_listed=is_listed)

    def translate(self, texts: Sequence[str], beam_size: int, setting: int) -> list[str]:
        sources = [self._direction.source_ids(self._tokenizers.source.encode(text)) for text in texts]
        outputs = self._engine.translate(sources, beam_size, setting)
        return [self._tokenizers.target.decode(ids) for ids in outputs]


class TheirTexts(TextSystem):
    settings = CTranslate2.settings

    def __init__(self, folder: Path) -> None:
        self._translator: ctranslate2.Translator = open_translator(folder, "int8", translators=1)
        self._source, self._target = open_sentencepieces(folder)
        self._end = end_of_sources(folder)

    def translate(self, texts: Sequence[str], beam_size: int, setting: int) -> list[str]:
        results = self._translator.translate_batch(
            [[*pieces, *self._end] for pieces in self._source.encode(list(texts), out_type=str)],
            beam_size=beam_size,
            length_penalty=LENGTH_PENALTY if beam_size > 1 else 0.0,
            max_batch_size=abs(setting),
            batch_type="tokens" if setting < 0 else "examples",
            max_decoding_length=MAX_OUTPUT_TOKENS,
        )
        return [self._target.decode(result.hypotheses[0]) for result in results]


def main() -> None:
    name, folder = sys.argv[1], Path(sys.argv[2])
    work(TheirTexts(folder) if name == "ctranslate2" else OurTexts(folder, is_listed=name.endswith("-listed")))


if __name__ == "__main__":
    main()
