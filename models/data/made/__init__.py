"""Training pairs, English-French, made from this package's own text files (CC0): everyday openings that corpora lack.

`phrases/` holds fixed phrases, `frames/` sentences with slots that are filled from `lexicon/` and with numbers, dates,
times and prices, `spans/` sentences around protected spans. The French chooses one register: `vous` to strangers, `tu`
to family and friends. Its typography is that of corpora: a plain space before `?`, `!`, `:`, `;`, `%` and `$`, straight
apostrophes.
"""

from models.data.made.pairs import SPAN_FRAMES, made_pairs

__all__ = ["SPAN_FRAMES", "made_pairs"]
