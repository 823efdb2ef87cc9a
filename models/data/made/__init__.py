"""Training pairs, English-French, made from this package's own text files (CC0): everyday openings that corpora lack.

`phrases/` holds fixed phrases, `frames/` sentences with slots that are filled from `lexicon/` and with numbers, dates,
times and prices, `spans/` sentences around protected spans. The French chooses one register: `vous` to strangers, `tu`
to family and friends. Its typography is that of corpora: a plain space before `?`, `!`, `:`, `;`, `%` and `$`, straight
apostrophes.
"""

from collections.abc import Callable, Sequence
from itertools import islice

from models.data.made.pairs import SPAN_FRAMES, made_pairs, phrase_pairs

__all__ = ["MADE", "SPAN_FRAMES", "made_pairs"]

_NUM_FRAMES = 60_000


def _filled_frames() -> Sequence[tuple[str, str]]:
    num_phrases = len(phrase_pairs())
    return list(islice(made_pairs(seed=1, num_pairs=num_phrases + _NUM_FRAMES), num_phrases, None))


MADE: dict[str, Callable[[], Sequence[tuple[str, str]]]] = {
    "phrases": phrase_pairs,
    "frames": _filled_frames,
    "span_frames": lambda: SPAN_FRAMES,
}
"""What a mix may name beside corpora and domains, always the same pairs; those of `span_frames` have `{1}`, `{2}` in
place of spans."""
