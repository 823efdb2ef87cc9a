"""What constraints make of scores that allow every token."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from server.bundle.manifest import SpecialIds
from server.decoding.search.constraints import Constraints, ForbiddenPhrases
from server.messages.hypothesis import Float32
from server.messages.options import DecodingOptions
from server.text.pieces import WORD_START, Pieces
from tests.fakes import NO_PIECES

PAD, UNKNOWN, BOS, EOS = 0, 1, 2, 3
SPECIAL_IDS = SpecialIds(start=BOS, eos=EOS, pad=PAD, unknown=UNKNOWN, never_written=(PAD, UNKNOWN, BOS))
VOCABULARY_SIZE = 9
MAX_OUTPUT = 12

with_tokenizer = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])

PIECES = Pieces(["", "", "", "", "▁pain", "pain", "▁pa", "in", "p", "a", "▁", "▁co", "▁copain", "s", "'", "▁du▁pain"])

texts = st.text("pain▁'", min_size=1, max_size=4)
vocabularies = st.lists(st.one_of(texts, st.just("")), min_size=1, max_size=25).map(Pieces)
phrases = st.text("pain▁'", min_size=1, max_size=5).map(lambda text: text.strip(WORD_START)).filter(bool)


def scores_of(log_probs: Sequence[float] = (), size: int = VOCABULARY_SIZE) -> Float32:
    scores = np.full(size, -1.0, np.float32)
    scores[: len(log_probs)] = log_probs
    return scores


def allowed(scores: Float32) -> list[int]:
    return np.flatnonzero(scores > -np.inf).tolist()


def constrained(
    output_ids: Sequence[int], scores: Float32 | None = None, pieces: Pieces = NO_PIECES, **options: Any
) -> Float32:
    """The scores after all constraints of the options."""
    changed = scores_of() if scores is None else scores
    Constraints(DecodingOptions(max_output_tokens=MAX_OUTPUT, **options), SPECIAL_IDS, pieces).apply(
        changed, output_ids
    )
    return changed


def written_at_random(seed: int, **options: Any) -> list[int]:
    """Greedily, from random scores that like to repeat themselves."""
    generator = np.random.default_rng(seed)
    constraints = Constraints(DecodingOptions(max_output_tokens=MAX_OUTPUT, **options), SPECIAL_IDS, NO_PIECES)
    favourites = generator.normal(size=VOCABULARY_SIZE) * 3
    output: list[int] = []
    while len(output) < MAX_OUTPUT:
        scores = (favourites + generator.normal(size=VOCABULARY_SIZE) - 9).astype(np.float32)
        constraints.apply(scores, output)
        if not allowed(scores) or scores.argmax() == EOS:
            break
        output.append(int(scores.argmax()))
    return output


def occurs(phrase: str, text: str) -> bool:
    """At the beginning of a word, if it begins with one."""
    return bool(ends_of(phrase, text))


def ends_of(phrase: str, text: str) -> list[int]:
    """Where the phrase ends in the text."""
    starts_anywhere = not phrase[0].isalnum()
    return [
        at + len(phrase)
        for at in range(len(text))
        if text.startswith(phrase, at) and (starts_anywhere or at == 0 or not text[at - 1].isalnum())
    ]


def after(text: list[str], pieces: Pieces, phrase: str) -> list[str]:
    """Pieces that may follow what the pieces `text` write, where the phrase is forbidden."""
    scores = scores_of(size=len(pieces.texts))
    ForbiddenPhrases([phrase], pieces).apply(scores, [list(pieces.texts).index(piece) for piece in text])
    return [pieces.texts[id_] for id_ in allowed(scores) if pieces.texts[id_]]
