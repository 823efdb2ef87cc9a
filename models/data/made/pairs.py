"""The made pairs: fixed phrases with their variants of punctuation first, then frames filled at random."""

import re
from collections.abc import Iterator
from functools import cache
from random import Random

from models.data.made.files import read_pairs, read_rows
from models.data.made.frames import Frame
from models.data.made.slots import read_slots

SPAN_FRAMES: tuple[tuple[str, str], ...] = tuple(read_pairs("spans"))
"""English-French sentences around protected spans, {1} to {3}, the same ones on both sides."""

MAX_VARIANT_WORDS = 4
"""Longest English phrase, in words, that also comes without its final point, and in lower case."""

MAX_MISSES = 2_000
"""Frames filled in a row with nothing new, after which no more pairs are made."""


def made_pairs(seed: int, num_pairs: int) -> Iterator[tuple[str, str]]:
    """Yield English-French pairs, the same ones for the same seed, and no pair twice.

    All phrases and their variants come first, in an order drawn by the seed, then filled frames, each frame as likely
    as any other; an English sentence that is among them is not given again. Ends before `num_pairs` where frames give
    nothing new.
    """
    random = Random(seed)
    phrases = phrase_pairs()
    random.shuffle(phrases)
    yield from phrases[:num_pairs]
    frames = [Frame(*pair) for pair in read_pairs("frames")]
    slots = read_slots()
    seen = {english for english, _ in phrases}
    num_made, misses = len(phrases), 0
    while num_made < num_pairs and misses < MAX_MISSES:
        english, french = random.choice(frames).fill(slots, random)
        if english in seen:
            misses += 1
            continue
        seen.add(english)
        num_made, misses = num_made + 1, 0
        yield english, french


def phrase_pairs() -> list[tuple[str, str]]:
    """Every fixed phrase with its variants of punctuation, each pair once."""
    return list(dict.fromkeys(each for pair in read_pairs("phrases") for each in punctuation_variants(*pair)))


def punctuation_variants(english: str, french: str) -> Iterator[tuple[str, str]]:
    """Yield the pair and, for a short phrase, what people type instead: a point for `!`, none at all, lower case."""
    yield english, french
    mark = english[-1]
    if mark not in ".!?" or len(english.split()) > MAX_VARIANT_WORDS or french[-1] != mark:
        return
    bare_english, bare_french = english[:-1].rstrip(), french[:-1].rstrip()
    if any(character in ".!?" for character in bare_english + bare_french):
        return
    if mark == "!":
        yield f"{bare_english}.", f"{bare_french}."
    yield bare_english, bare_french
    if re.split(r"[ ,]", bare_english)[0] in opening_words() and bare_french[1:2].islower():
        yield _lower_first(bare_english), _lower_first(bare_french)


@cache
def opening_words() -> frozenset[str]:
    """First words of phrases that people often type in lower case: greetings and questions, no names."""
    return frozenset(row[0] for row in read_rows("lexicon/opening_word.txt"))


def _lower_first(text: str) -> str:
    return text[0].lower() + text[1:]
