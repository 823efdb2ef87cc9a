"""The first sentences of a newcomer: greetings, questions, names, numbers, dates, prices, directions, titles.

    python -m evaluation.first_sentences
    python -m evaluation.first_sentences --direction fr-en --model transformer-fr-en --beam-size 5

asks a running server, and prints how many translations of each kind are right, and then every other one for a reader to
judge. Sentences and what counts as right are in first_sentences.toml; what a reader finds good is added there.
"""

import argparse
import re
import sys
import tomllib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from seq2serve import Client, DecodingOptions, TranslationError
from seq2serve.requests import DEFAULT_ADDRESS

DIRECTIONS = ("en-fr", "fr-en")

_FILE = Path(__file__).with_name("first_sentences.toml")

_FORMS = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"', "„": '"', "«": '"', "»": '"'})
_SPACE_WITHOUT_MEANING = re.compile(
    r"(?<=«) | (?=»)"
    r"| (?=[?!:;])"
    r"|(?<=\d) (?=[%€$£]|h\b)|(?:(?<=\dh)|(?<=\d h)) (?=\d)"  # 10 h 30
    r"|(?<=\d) (?=\d{3}(?!\d))"  # 1 200
)


class FirstSentence(NamedTuple):
    """A sentence, and the translations that count as right."""

    kind: str
    source: str
    references: Sequence[str]


class Judged(NamedTuple):
    """A sentence, a system's translation of it, and whether that equals a reference."""

    sentence: FirstSentence
    translation: str
    is_right: bool


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m evaluation.first_sentences", description="Translate what people type first, and count."
    )
    parser.add_argument("--server", default=DEFAULT_ADDRESS, help=f"its address (default: {DEFAULT_ADDRESS})")
    parser.add_argument("--direction", choices=DIRECTIONS, default=DIRECTIONS[0], help="default: %(default)s")
    parser.add_argument("--model", help="default: transformer-<direction>")
    parser.add_argument("--beam-size", type=int, default=1, help="1, the default, is greedy")
    arguments = parser.parse_args()
    sentences = read_first_sentences(arguments.direction)
    try:
        with Client(arguments.server) as client:
            translations = client.translate(
                [sentence.source for sentence in sentences],
                model=arguments.model or f"transformer-{arguments.direction}",
                decoding=DecodingOptions(beam_size=arguments.beam_size),
            )
    except TranslationError as error:
        sys.exit(f"error: {error}")
    print(report(judge(sentences, [translation.translated_text for translation in translations])))


def read_first_sentences(direction: str) -> list[FirstSentence]:
    """All of one of the `DIRECTIONS`, kind by kind."""
    kinds = tomllib.loads(_FILE.read_text(encoding="utf-8"))[direction]
    return [
        FirstSentence(kind, source, references)
        for kind, sentences in kinds.items()
        for source, references in sentences.items()
    ]


def judge(sentences: Sequence[FirstSentence], translations: Sequence[str]) -> list[Judged]:
    """Compare each sentence's translation with its references. Letter case and the final mark count, `fold` says what
    does not."""
    return [
        Judged(sentence, translation, fold(translation) in map(fold, sentence.references))
        for sentence, translation in zip(sentences, translations, strict=True)
    ]


def report(judged: Sequence[Judged]) -> str:
    """A table of the kinds in Markdown, and below it the sentences whose translations equal no reference, with these
    translations."""
    sizes = Counter(one.sentence.kind for one in judged)
    right = Counter(one.sentence.kind for one in judged if one.is_right)
    rows = [(kind, right[kind], size) for kind, size in sizes.items()]
    lines = ["| kind | right | of |", "|---|---|---|"]
    lines += (
        f"| {kind} | {num_right} | {size} |" for kind, num_right, size in [*rows, ("all", right.total(), len(judged))]
    )
    others = [one for one in judged if not one.is_right]
    if others:
        lines += ["", "Equal to no reference:", ""]
        lines += (f"{one.sentence.kind}: {one.sentence.source} -> {one.translation}" for one in others)
    return "\n".join(lines)


def fold(text: str) -> str:
    """A text with plain quotes and apostrophes, and one plain space where any number of any kind is; none before a high
    mark or a unit's sign, inside of guillemets, in a time such as 10 h 30, or between the thousands of a number."""
    plain = " ".join(text.split())
    return _SPACE_WITHOUT_MEANING.sub("", plain).translate(_FORMS)


if __name__ == "__main__":
    main()
