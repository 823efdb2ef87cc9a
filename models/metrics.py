"""Scores of translations against references."""

from collections.abc import Sequence

import sacrebleu


def reference_streams(references: Sequence[Sequence[str]]) -> list[list[str | None]]:
    """sacreBLEU's layout: stream n holds the n-th reference of every sentence, None where it has fewer."""
    most = max(map(len, references))
    return [[every[n] if n < len(every) else None for every in references] for n in range(most)]


def bleu(translations: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """Cased sacreBLEU with tokenisation 13a; `references` lists all translations of each sentence."""
    return sacrebleu.corpus_bleu(list(translations), reference_streams(references)).score
