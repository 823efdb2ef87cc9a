"""Scores of translations against references, of the kinds that are published."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import sacrebleu
from sacrebleu.metrics.base import Metric

References = Sequence[Sequence[str]]
"""All known translations of each sentence."""

BOOTSTRAP_SAMPLES = 1000


@dataclass(frozen=True)
class Score:
    metric: str
    value: float
    interval: float
    """Half of the 95 % confidence interval (Koehn 2004)."""
    signature: str


def cased_bleu(translations: Sequence[str], references: References) -> Score:
    """Cased sacreBLEU with tokenisation 13a (Post 2018), its interval and its signature."""
    return _score("BLEU", sacrebleu.BLEU(), translations, references)


def bleu(translations: Sequence[str], references: References) -> float:
    """The value of `cased_bleu` alone, which takes a thousandth of its time."""
    return sacrebleu.corpus_bleu(translations, _streams(references)).score


def score_all(translations: Sequence[str], references: References, language: str) -> list[Score]:
    """Cased BLEU; BLEU of lower-cased, Moses-tokenised text, which the papers on Multi30k report; chrF.

    language: the code of the translations' language, e.g. `fr`, by whose rules Moses tokenises.
    """
    from sacremoses import MosesPunctNormalizer, MosesTokenizer  # which a training does not need

    normalizer, tokenizer = MosesPunctNormalizer(language), MosesTokenizer(language)

    def moses(text: str) -> str:
        tokenized: str = tokenizer.tokenize(normalizer.normalize(text), return_str=True, escape=False)
        return tokenized

    tokenized = [moses(text) for text in translations]
    tokenized_references = [[moses(text) for text in every] for every in references]
    return [
        cased_bleu(translations, references),
        _score(
            "BLEU, lower-cased Moses tokens",
            sacrebleu.BLEU(lowercase=True, tokenize="none", force=True),
            tokenized,
            tokenized_references,
        ),
        _score("chrF", sacrebleu.CHRF(), translations, references),
    ]


def _score(name: str, metric: Metric, translations: Sequence[str], references: References) -> Score:
    result = metric.corpus_score(translations, _streams(references), n_bootstrap=BOOTSTRAP_SAMPLES)
    signature = str(metric.get_signature())
    return Score(name, round(result.score, 2), round(float(result._ci), 2), signature)


def _streams(references: References) -> list[list[str]]:
    """sacreBLEU's layout: stream n holds the n-th reference of every sentence, None where it has fewer."""
    most = max(map(len, references))
    streams = [[every[n] if n < len(every) else None for every in references] for n in range(most)]
    return cast(list[list[str]], streams)  # sacreBLEU's types forget the None that its documentation asks for
