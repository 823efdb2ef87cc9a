"""Measures one model with one decoding on one test set: every variant beside the plain sentences."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from statistics import mean
from typing import NamedTuple, Protocol

from evaluation.joined import (
    MAX_JOINED,
    Group,
    compare,
    ended,
    groups,
    join,
    join_references,
    sampled_groups,
    segment_fault,
)
from evaluation.markup import TagQuality, judge_tags, parse, with_tags
from evaluation.variants import Variant, plain_variants
from models.data.corpora import Corpus
from models.metrics import bleu
from seq2serve import Translation


class Translate(Protocol):
    """Translations of contents, with word alignments where the model has them."""

    def __call__(
        self, contents: Sequence[str], mime_type: str = ..., do_not_translate: Sequence[str] = ...
    ) -> list[Translation]: ...


MAX_LOSS = 0.5
"""BLEU points that a variant may lose."""

MAX_LOSS_JOINED = 0.3

NUM_LONG_CONTENTS = 20
"""Contents of up to `MAX_JOINED` sentences; a server takes the segments of all of them in one request."""


class Fault(NamedTuple):
    """A content whose translation is not what it has to be."""

    content: str
    translation: str
    what: str


@dataclass(frozen=True)
class Row:
    """What a variant of a test set is worth, beside the same plain sentences."""

    variant: str
    plain: float
    """BLEU of the plain sentences' translations."""
    bleu: float
    """BLEU of the variant's translations, the change undone."""
    max_loss: float
    num_checked: int
    """Contents of which the hard condition is asked."""
    faults: Sequence[Fault]
    """One for each of these for which it does not hold."""
    remark: str

    @property
    def difference(self) -> float:
        return self.bleu - self.plain

    @property
    def is_missed(self) -> bool:
        """Whether the variant loses more than it may, to a tenth of a point, or has a fault."""
        return round(-self.difference, 1) > self.max_loss or bool(self.faults)


class Measured(NamedTuple):
    rows: list[Row]
    html: list[tuple[str, str]]
    """Each content in HTML, and its translation."""


def measure(translate: Translate, test: Corpus, seed: str) -> Measured:
    """All variants of a test set. `seed`: equal ones make equal contents."""
    plain = translate(test.sources)
    rows = [*_joined_rows(translate, test, plain, Random(f"{seed} joined"))]
    for variant in filter(lambda variant: variant.contents, plain_variants(test.sources, seed)):
        translations = _translations(translate, variant)
        rows.append(_row(variant, translations, test, plain, _span_remark(variant, translations)))
    html = with_tags(test.sources, seed)
    translations = _translations(translate, html)
    rows.append(_row(html, translations, test, plain, _tag_remark(html, translations, plain)))
    pairs = zip(html.contents, translations, strict=True)
    return Measured(rows, [(changed.content, translation.translated_text) for changed, translation in pairs])


def _joined_rows(translate: Translate, test: Corpus, plain: Sequence[Translation], random: Random) -> Iterator[Row]:
    indices = ended(test.sources)
    for size in (3, 5):
        yield _joined_row(f"{size} joined", groups(indices, size), translate, test, plain)
    long = sampled_groups(indices, NUM_LONG_CONTENTS, random)
    yield _joined_row(f"up to {MAX_JOINED} joined", long, translate, test, plain)


def _joined_row(
    name: str, of: Sequence[Group], translate: Translate, test: Corpus, plain: Sequence[Translation]
) -> Row:
    """The hard condition is that a content is translated as its sentences are, wherever it is parted into them."""
    contents = [join(test.sources, group) for group in of]
    wholes = translate(contents)
    comparisons = [compare(whole, test.sources, plain, group) for whole, group in zip(wholes, of, strict=True)]
    texts = [translation.translated_text for translation in plain]
    expected = [join(texts, group) for group in of]
    num_checked, faults = 0, []
    for content, whole, comparison, sentences in zip(contents, wholes, comparisons, expected, strict=True):
        what = segment_fault(content, whole)
        if not what and not comparison.num_split_differently and not comparison.is_equal:
            what = f"the sentences alone are translated: {sentences}"
        num_checked += bool(what) or not comparison.num_split_differently
        if what:
            faults.append(Fault(content, whole.translated_text, what))
    references = [join_references(test.references, group) for group in of]
    num_equal = sum(comparison.is_equal for comparison in comparisons)
    num_split = sum(comparison.num_split_differently for comparison in comparisons)
    return Row(
        name,
        bleu(expected, references),
        bleu([whole.translated_text for whole in wholes], references),
        MAX_LOSS_JOINED,
        num_checked,
        faults,
        f"{num_equal} of {len(of)} equal, {num_split} sentences split elsewhere" if num_split else "",
    )


def _translations(translate: Translate, variant: Variant) -> list[Translation]:
    contents = [changed.content for changed in variant.contents]
    return translate(contents, variant.mime_type, variant.do_not_translate)


def _row(
    variant: Variant, translations: Sequence[Translation], test: Corpus, plain: Sequence[Translation], remark: str
) -> Row:
    fold, chosen = variant.fold, [changed.sentence for changed in variant.contents]
    faults, undone = [], []
    for changed, translation in zip(variant.contents, translations, strict=True):
        text = translation.translated_text
        what = variant.fault(changed, text, plain[changed.sentence].translated_text)
        if not what and variant.mime_type == "text/plain":
            what = segment_fault(changed.content, translation)
        if what:
            faults.append(Fault(changed.content, text, what))
        undone.append(fold(variant.undo(changed, text)))
    references = [[fold(reference) for reference in test.references[index]] for index in chosen]
    plain_bleu = bleu([fold(plain[index].translated_text) for index in chosen], references)
    return Row(variant.name, plain_bleu, bleu(undone, references), MAX_LOSS, len(undone), faults, remark)


def _span_remark(variant: Variant, translations: Sequence[Translation]) -> str:
    """How far from its place a span is, where a variant has spans: both places as shares of the text's words."""
    distances = [
        abs(_place(changed.content, changed.span) - _place(translation.translated_text, changed.span))
        for changed, translation in zip(variant.contents, translations, strict=True)
        if changed.span and changed.span in translation.translated_text
    ]
    return f"off by {mean(distances):.0%}" if distances else ""


def _place(text: str, span: str) -> float:
    before, _, after = text.partition(span)
    num_before, num_after = len(before.split()), len(after.split())
    return num_before / max(num_before + num_after, 1)


def _tag_remark(variant: Variant, translations: Sequence[Translation], plain: Sequence[Translation]) -> str:
    """How many tagged words are right by the alignment of the plain sentence, where the text is the same."""
    judged: list[TagQuality] = []
    for changed, translation in zip(variant.contents, translations, strict=True):
        alone, parsed = plain[changed.sentence], parse(translation.translated_text)
        alignment = alone.hypotheses[0].word_alignment if alone.hypotheses else ""
        if alignment and parsed.text == alone.translated_text:
            judged.append(judge_tags(parse(changed.content), parsed, alignment))
    if not judged:
        return ""
    right, tagged, expected, empty = (sum(numbers) for numbers in zip(*judged, strict=True))
    return (
        f"{right / max(tagged, 1):.1%} right, {right / max(expected, 1):.1%} found, {empty} lost ({len(judged)} judged)"
    )
