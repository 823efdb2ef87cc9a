"""The text of a training: sentence pairs drawn from the corpora in the shares that the config gives to each domain.

Text is drawn in chunks, each known by its number alone, so that processes and an interrupted training can take chunks
of their own without telling each other what they have read.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import NamedTuple

import numpy as np
from sentencepiece import SentencePieceProcessor, set_random_generator_seed

from models.config import DataConfig
from models.data.augment import augment, number_spans
from models.data.batches import Batch, Pair, batches_of
from models.data.corpora import LANGUAGES, Corpus, CorpusError, Direction, Source, all_sources, read_corpus, read_lines
from models.data.held_out import hashes, is_short, read_test_hashes, sentence_hash
from models.data.made import MADE
from models.seq2seq import EOS, UNKNOWN

_logger = logging.getLogger(__name__)

CHUNK_PAIRS = 32768
"""So many that batches of thousands of tokens, made of sentences of like length, are not half padding."""

VALIDATION_DOMAINS = ("everyday", "prose")
"""Domains of which a part of the training text is kept for validation, beside the corpora that have one."""

_VALIDATED_ONE_IN = 40


class TextPair(NamedTuple):
    source: str
    target: str
    distilled: str | None = None
    """A teacher's translation of the source."""


class TrainingText:
    """Sentence pairs by domain, and how they are mixed."""

    def __init__(self, domains: Mapping[str, Sequence[TextPair]], settings: DataConfig, seed: int) -> None:
        self.domains = domains
        self._settings = settings
        self._seed = seed
        total = sum(settings.mix[name] for name in domains)
        self._counts = {name: max(1, round(CHUNK_PAIRS * settings.mix[name] / total)) for name in domains}

    def chunk(self, number: int) -> list[tuple[str, str]]:
        """The pairs of one chunk, as they are trained on. Every domain is read through before any of it again."""
        settings = self._settings
        random = Random(f"{self._seed} {number}")
        drawn = (
            pairs[index]
            for place, (name, pairs) in enumerate(self.domains.items())
            for index in self._indices(len(pairs), number * self._counts[name], self._counts[name], place)
        )
        direction = settings.direction
        chosen = []
        for source, target, distilled in drawn:
            expected = target
            if distilled is not None and random.random() < settings.distilled_share:
                expected = distilled
            chosen.append(augment(source, expected, direction, settings.augment, random))
        return chosen

    def _indices(self, size: int, first: int, count: int, place: int) -> Iterator[int]:
        """`count` places, from the `first` on, of an endless row of permutations of `size` things."""
        while count:
            epoch, start = divmod(first, size)
            permutation = np.random.default_rng([self._seed, place, epoch]).permutation(size)
            part = permutation[start : start + count]
            yield from part.tolist()
            first, count = first + len(part), count - len(part)

    def batches(self, tokenizer: SentencePieceProcessor, number: int, *, batch_tokens: int) -> Iterator[Batch]:
        """Every pair of a chunk, encoded, in batches of at most `batch_tokens` padded tokens on the longer side.

        Pairs with an empty or overlong side, or with a character that the tokenizer has not, are left out. Raises
        CorpusError where none is left.
        """
        settings = self._settings
        set_random_generator_seed((self._seed * 1_000_003 + number) % 2**32)
        sides = [
            tokenizer.encode(
                list(side),
                enable_sampling=settings.bpe_dropout > 0,
                alpha=settings.bpe_dropout,
                nbest_size=-1,
                num_threads=1,  # several draw what is left out in an order of their own every time
            )
            for side in zip(*self.chunk(number), strict=True)
        ]
        pairs = [
            Pair([*source, EOS], [*target, EOS])
            for source, target in zip(*sides, strict=True)
            if 0 < len(source) < settings.max_length
            and 0 < len(target) < settings.max_length
            and UNKNOWN not in source
            and UNKNOWN not in target
        ]
        if not pairs:
            raise CorpusError(
                f"no pair of chunk {number} can be trained on: all have characters that the tokenizer lacks, or more "
                f"than data.max_length ({settings.max_length}) tokens; is the tokenizer of these languages?"
            )
        return batches_of(pairs, batch_tokens, np.random.default_rng([self._seed, number]))


def read_training_text(data: Path, settings: DataConfig, seed: int) -> tuple[TrainingText, dict[str, Corpus]]:
    """The training text, and the validation sets by name. No pair has a side that is in a test or validation set.

    What a domain lacks of its corpora is left out with a warning; so is a domain whose corpora cannot be downloaded, if
    none is there. Raises CorpusError for any other that is missing, and for one that is damaged.
    """
    direction = settings.direction
    validation = read_validation(data, direction)
    held_out = read_test_hashes()
    for corpus in validation.values():
        held_out |= hashes(corpus.sources)
        held_out |= hashes(reference for every in corpus.references for reference in every)
    teacher = read_distilled(Path(settings.distilled)) if settings.distilled else {}
    domains: dict[str, list[TextPair]] = {}
    for key in settings.mix:
        pairs = [
            TextPair(source, target, teacher.get(source))
            for source, target in _read_pairs(data, key, direction)
            if sentence_hash(source) not in held_out and sentence_hash(target) not in held_out
        ]
        if pairs:
            domains[key] = pairs
        elif _is_local_only(data, key):
            _logger.warning(
                "data.mix.%s is left out: none of its corpora is in %s, and none can be downloaded", key, data
            )
        else:
            raise CorpusError(
                f"data.mix.{key}: no training pair in {data}; what belongs to it is in docs/data.md, and what can be "
                "downloaded is, with: python -m models.download"
            )
    if not domains:
        raise CorpusError(f"data.mix: no training pair in {data}")
    return TrainingText(domains, settings, seed), validation


def _read_pairs(data: Path, key: str, direction: Direction) -> Iterator[tuple[str, str]]:
    """All pairs of one entry of a mix."""
    if key in MADE:
        for english, french in MADE[key]():
            yield number_spans(*((english, french) if direction.source == LANGUAGES[0] else (french, english)))
    corpora = _training_sources(key)
    missing = [name for name, source in corpora.items() if source.domain == key and not (data / source.folder).is_dir()]
    if 0 < len(missing) < len(corpora):
        _logger.warning("data.mix.%s: left out, as %s has them not: %s", key, data, ", ".join(missing))
    for name in corpora:
        if name not in missing:
            corpus = read_corpus(data, name, "train", direction)
            yield from zip(corpus.sources, corpus.targets, strict=True)


def sources_of(settings: DataConfig) -> dict[str, Source]:
    """The corpora that a training reads, by name."""
    return {name: source for key in settings.mix for name, source in _training_sources(key).items()}


def _training_sources(key: str) -> dict[str, Source]:
    """The corpora of one entry of a mix, a domain or a corpus, that have training text."""
    return {
        name: source
        for name, source in all_sources().items()
        if key in (name, source.domain) and "train" in source.parts
    }


def _is_local_only(data: Path, key: str) -> bool:
    """Whether an entry of a mix has nothing that is there or could be downloaded."""
    sources = _training_sources(key)
    return bool(sources) and not any(source.origin or (data / source.folder).is_dir() for source in sources.values())


def read_distilled(path: Path) -> dict[str, str]:
    """Sentence -> its translation by a teacher. Raises CorpusError."""
    if not path.is_file():
        raise CorpusError(
            f"{path} is missing (data.distilled): a finished teacher writes it with: "
            f"python -m models.distil CONFIG TEACHER {path}"
        )
    pairs = [line.split("\t") for line in read_lines(path)]
    wrong = next((number for number, pair in enumerate(pairs, 1) if len(pair) != 2), None)
    if wrong:
        raise CorpusError(f"{path}: line {wrong}: a sentence, a tab and its translation expected")
    return dict(pairs)


def read_validation(data: Path, direction: Direction) -> dict[str, Corpus]:
    """The validation parts of the corpora that are there, and, by domain, what is kept of those that have none.

    Raises CorpusError where there is none at all, or one is damaged.
    """
    sets: dict[str, Corpus] = {}
    for name, source in all_sources().items():
        if not (data / source.folder).is_dir():
            continue
        if "val" in source.parts:
            sets[name] = read_corpus(data, name, "val", direction)
        elif "train" in source.parts and source.domain in VALIDATION_DOMAINS:
            kept = sets.setdefault(source.domain, Corpus([], [], []))
            every = read_corpus(data, name, "train", direction)
            english = every.sources if direction.source == LANGUAGES[0] else every.targets
            for row, sentence in enumerate(english):
                if not is_short(sentence) and sentence_hash(sentence) % _VALIDATED_ONE_IN == 0:
                    kept.sources.append(every.sources[row])
                    kept.targets.append(every.targets[row])
                    kept.references.append(every.references[row])
    sets = {name: corpus for name, corpus in sets.items() if corpus.sources}
    if not sets:
        raise CorpusError(
            f"every validation set is missing in {data}: give the corpora's folder with --data or SEQ2SERVE_DATA, "
            "or download them with: python -m models.download"
        )
    return sets
