"""Source sentences that an import is calibrated and checked with, as the model reads them, and their translations."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import sacrebleu

from export.checkpoints.imported import SOURCE_TOKEN, Imported, Language
from export.checkpoints.languages import same_language
from export.checkpoints.piece_text import PieceText
from export.errors import ExportError
from export.session import GraphSession
from models.greedy import max_output
from models.seq2seq import OutputIds
from server.bundle.shortlist import Shortlist

MAX_TARGETS = 4
"""Target languages of one source language that its sentences are dealt out to."""

_BATCH_SIZE = 64


@dataclass(frozen=True)
class Direction:
    """Sentences of one source language, to be translated into one target language."""

    name: str
    """en-fr"""
    text: PieceText
    ids: OutputIds
    sentences: list[str]
    sources: list[list[int]]
    """What the encoder reads for each sentence."""


def read_sentences(path: Path) -> list[str]:
    """The lines of a text that are not empty. Raises ExportError."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ExportError(f"--text: {path}: {error}") from error
    sentences = [line.strip() for line in lines if line.strip()]
    if not sentences:
        raise ExportError(f"--text: {path} has no sentences")
    return sentences


def plan_directions(
    imported: Imported, texts: Mapping[str | None, Sequence[str]], max_sentences: int
) -> tuple[list[Direction], int]:
    """Directions with the sentences of each, at most `max_sentences` of each text; and how many sentences are left out
    because they, or their translations, might be longer than the model's positions.

    texts: sentences by the code of their language; None where the model has one alone, or no need to know. Raises
    ExportError for a code that is none of the model's, and for none where the model has to know.
    """
    directions: list[Direction] = []
    num_long = 0
    for code, sentences in texts.items():
        source = _source_language(imported, code)
        targets = [language for language in imported.languages if language.is_target and language.code != source.code]
        spread = [targets[index * len(targets) // MAX_TARGETS] for index in range(MAX_TARGETS)]
        targets = targets if len(targets) <= MAX_TARGETS else spread
        for index, target in enumerate(targets):
            direction = _direction(imported, source, target, sentences[index : max_sentences : len(targets)])
            num_long += len(sentences[index : max_sentences : len(targets)]) - len(direction.sentences)
            directions.append(direction)
    if texts and not any(direction.sentences for direction in directions):
        raise ExportError("--text: all sentences are longer than the model's positions")
    return [direction for direction in directions if direction.sentences], num_long


def _source_language(imported: Imported, code: str | None) -> Language:
    sources = [language for language in imported.languages if language.is_source]
    codes = ", ".join(language.code for language in sources)
    if code is None:
        if len(sources) > 1 and SOURCE_TOKEN in imported.source_template:
            raise ExportError(f"--text: which language is it in? --text CODE=FILE says so; the model has {codes}")
        return sources[0]
    for language in sources:
        if same_language(language.code, code):
            return language
    raise ExportError(f"--text: {code} is none of the model's source languages: {codes}")


def _direction(imported: Imported, source: Language, target: Language, sentences: Sequence[str]) -> Direction:
    text = PieceText(imported, source, target)
    encoded = [(sentence, text.encode(sentence)) for sentence in sentences]
    short = [
        (sentence, ids)
        for sentence, ids in encoded
        if len(ids) <= imported.max_source_tokens and max_output(ids) <= imported.max_output_tokens
    ]
    return Direction(
        f"{source.code}-{target.code}",
        text,
        OutputIds(
            start=(imported.start_id, *text.forced),
            eos=imported.eos_id,
            never_written=imported.never_written,
            encodes_start=imported.encodes_start,
        ),
        [sentence for sentence, _ in short],
        [ids for _, ids in short],
    )


def translate(
    session: GraphSession, directions: Sequence[Direction], shortlist: Shortlist | None = None
) -> list[list[list[int]]]:
    """Greedy translations, by direction and sentence: ids without the end."""
    translations = []
    for direction in directions:
        session.ids = direction.ids
        outputs: list[list[int]] = [[] for _ in direction.sources]
        order = sorted(range(len(outputs)), key=lambda index: len(direction.sources[index]))
        for start in range(0, len(order), _BATCH_SIZE):
            indices = order[start : start + _BATCH_SIZE]
            decoded = session.decode([direction.sources[index] for index in indices], shortlist)
            for index, output in zip(indices, decoded, strict=True):
                outputs[index] = output
        translations.append(outputs)
    return translations


def agreement(translations: Sequence[Sequence[Sequence[int]]], others: Sequence[Sequence[Sequence[int]]]) -> float:
    """BLEU of translations against others of the same model, 100 where all are equal.

    It is computed over pieces: what a word is does not depend on the language then.
    """
    first, second = (
        [" ".join(map(str, ids)) for direction in every for ids in direction] for every in (translations, others)
    )
    if first == second:
        return 100.0
    return sacrebleu.corpus_bleu(first, [second], tokenize="none", force=True).score
