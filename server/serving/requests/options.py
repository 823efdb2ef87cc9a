"""The options of a request: from protobuf, checked, to what the engine is asked for each segment of a content."""

import dataclasses
import secrets
from dataclasses import dataclass

from seq2serve.glossary_file import MAX_TERM_CHARACTERS
from seq2serve.pb import translation_pb2 as pb
from server.errors import InvalidRequest, listed, shown
from server.messages.options import DecodingOptions, RequiredTerm
from server.serving.models.catalogue import Selected
from server.serving.models.directions import Direction
from server.serving.models.served import ServedModel
from server.serving.requests.required_terms import TermFinder, check_allowed
from server.text.folding import plain
from server.text.glossary import Glossary, words
from server.text.pieces import WORD_START
from server.text.steps import Steps

DEFAULT_LENGTH_PENALTY = 0.6
GLOSSARY_BEAM_SIZE = 4
"""Least beam of a sentence with required terms: with one row they would be written at once, wherever that is."""

_NUM_SEEDS = 2**64

_CHARACTERS_PER_TOKEN = 50
"""More than any piece has."""


@dataclass(frozen=True)
class OptionLimits:
    max_beam_size: int
    max_forbidden_phrases: int
    max_glossary_entries: int

    @property
    def glossary_beam_size(self) -> int:
        return min(GLOSSARY_BEAM_SIZE, self.max_beam_size)


@dataclass(frozen=True)
class RequestedOptions:
    """Valid, and the same for all contents; `for_segment` adds what depends on the source."""

    model: ServedModel
    direction: Direction
    common: DecodingOptions
    """The options of a segment without prefix and terms; `max_output_tokens` is 0 where the server chooses."""
    num_hypotheses: int
    prefix: str
    """Text that the translation of a content begins with, as it was given."""
    terms: TermFinder | None
    glossary_beam_size: int
    is_repeatable: bool
    """Whether the same request has the same answer."""

    def for_segment(
        self,
        source_ids: list[int],
        required: tuple[RequiredTerm, ...],
        is_first: bool,
        needs_alignment: bool,
        field: str,
    ) -> DecodingOptions:
        """`is_first`: whether a content's prefix is for this segment. Raises InvalidRequest where the output limit
        leaves no room for what is required."""
        prefix = self.common.prefix if is_first else ()
        num_forced = len(prefix) + sum(len(term.ids) for term in required)
        most = self.model.manifest.max_output_tokens
        wanted = max(2 * len(source_ids) + 10 + num_forced, self.common.min_output_tokens)
        limit = self.common.max_output_tokens or min(wanted, most)
        if num_forced > limit:
            expected = f"prefix and terms of at most {limit} tokens, the output limit, expected"
            raise InvalidRequest("decoding.glossary", f"{expected}, got {num_forced} for {field}")
        return dataclasses.replace(
            self.common,
            max_output_tokens=limit,
            prefix=prefix,
            required_terms=required,
            guided=bool(required) and self.model.manifest.alignment is not None,
            alignment=self.common.alignment or needs_alignment,
            beam_size=max(self.common.beam_size, self.glossary_beam_size) if required else self.common.beam_size,
        )


def parse_options(message: pb.DecodingOptions, selected: Selected, limits: OptionLimits) -> Steps[RequestedOptions]:
    """Raises InvalidRequest, naming the field, the limit and the value."""
    model, direction = selected
    most = model.manifest.max_output_tokens
    _check_range(message, "max_output_tokens", 1, most, "the server's own")
    _check_range(message, "min_output_tokens", 0, message.max_output_tokens or most)
    _check_range(message, "beam_size", 1, limits.max_beam_size, "1")
    _check_range(message, "length_penalty", 0, 10)
    _check_range(message, "coverage_penalty", 0, 10)
    _check_range(message, "temperature", 0, 10)
    _check_range(message, "top_k", 1, model.manifest.target_vocabulary_size, "all")
    _check_range(message, "top_p", 0, 1)
    _check_range(message, "no_repeat_ngram_size", 1, most, "none")
    _check_range(message, "repetition_penalty", 1, 10, "1")
    _check_patience(message.patience)
    beam_size = message.beam_size or 1
    samples = message.temperature > 0
    most_hypotheses = limits.max_beam_size if samples else beam_size
    _check_range(message, "num_hypotheses", 1, most_hypotheses, "1", "" if samples else ", the beam_size,")
    num_hypotheses = message.num_hypotheses or 1
    _check_sampling(message, samples)
    _check_alignment(message, model)
    if message.use_shortlist and not model.manifest.has_shortlist:
        problem = f"a model that has a shortlist expected, got {model.manifest.name}"
        raise InvalidRequest("decoding.use_shortlist", problem)
    prefix = _prefix(message, model, most)
    forbidden_phrases = yield from _forbidden_phrases(message, model, limits)
    options = DecodingOptions(
        max_output_tokens=message.max_output_tokens,
        min_output_tokens=message.min_output_tokens,
        beam_size=beam_size,
        patience=message.patience or 1.0,
        length_penalty=message.length_penalty if message.HasField("length_penalty") else DEFAULT_LENGTH_PENALTY,
        coverage_penalty=message.coverage_penalty,
        num_samples=num_hypotheses if samples else 0,
        temperature=message.temperature if samples else 1.0,
        top_k=message.top_k,
        top_p=message.top_p or 1.0,
        seed=(message.seed if message.HasField("seed") else secrets.randbelow(_NUM_SEEDS)) if samples else 0,
        start_ids=direction.start_ids,
        prefix=prefix,
        no_repeat_ngram_size=message.no_repeat_ngram_size,
        repetition_penalty=message.repetition_penalty or 1.0,
        forbidden_phrases=forbidden_phrases,
        use_shortlist=message.use_shortlist,
        token_log_probs=message.return_token_scores,
        alignment=message.return_alignment or message.return_alignment_heads,
        alignment_heads=message.return_alignment_heads,
    )
    yield from check_allowed(prefix, "decoding.target_prefix", forbidden_phrases, model.tokenizers.target)
    terms = yield from _terms(message.glossary, forbidden_phrases, model, limits)
    return RequestedOptions(
        model,
        direction,
        options,
        num_hypotheses,
        message.target_prefix,
        terms,
        limits.glossary_beam_size,
        is_repeatable=not samples or message.HasField("seed"),
    )


def _check_range(
    message: pb.DecodingOptions, name: str, least: float, most: float, meaning_of_0: str = "", why: str = ""
) -> None:
    """`meaning_of_0`: what 0, which is not in the range, stands for."""
    value = getattr(message, name)
    if not least <= value <= most and not (value == 0 and meaning_of_0):
        or_0 = f", or 0 for {meaning_of_0}" if meaning_of_0 else ""
        raise InvalidRequest(f"decoding.{name}", f"{least} to {most}{why} expected{or_0}, got {value:g}")


def _check_patience(patience: float) -> None:
    if not 0 <= patience <= 10:
        raise InvalidRequest("decoding.patience", f"above 0 to 10 expected, or 0 for 1, got {patience:g}")


def _check_sampling(message: pb.DecodingOptions, samples: bool) -> None:
    """What goes only with a temperature, and what does not go with one."""
    if not samples:
        for name in ("top_k", "top_p", "seed"):
            if getattr(message, name) or (name == "seed" and message.HasField("seed")):
                raise InvalidRequest(f"decoding.{name}", "a temperature above 0 beside it expected, got 0")
        return
    with_glossary = bool(message.glossary.name or message.glossary.entries)
    for name, given in (
        ("beam_size", message.beam_size > 1),
        ("coverage_penalty", message.coverage_penalty > 0),
        ("glossary", with_glossary),
    ):
        if given:
            raise InvalidRequest(f"decoding.{name}", f"no temperature beside it expected, got {message.temperature:g}")


def _check_alignment(message: pb.DecodingOptions, model: ServedModel) -> None:
    if model.manifest.alignment is None:
        for name in ("coverage_penalty", "return_alignment", "return_alignment_heads"):
            if getattr(message, name):
                raise no_alignment(f"decoding.{name}", model)


def no_alignment(field: str, model: ServedModel) -> InvalidRequest:
    return InvalidRequest(field, f"a model that has alignments expected, got {model.manifest.name}")


def _prefix(message: pb.DecodingOptions, model: ServedModel, most: int) -> tuple[int, ...]:
    """Its token ids, without characters that the vocabulary lacks. A text of more characters than a model has tokens
    for is refused before it is tokenised."""
    field, text = "decoding.target_prefix", message.target_prefix
    if not text:
        return ()
    if not text.strip():
        raise InvalidRequest(field, f"a text that is not blank expected, got {shown(text)}")
    most = message.max_output_tokens or most
    if len(text) > most * _CHARACTERS_PER_TOKEN:
        raise InvalidRequest(field, f"at most {most * _CHARACTERS_PER_TOKEN} characters expected, got {len(text)}")
    tokenizer = model.tokenizers.target
    ids = tuple(id_ for id_ in tokenizer.encode(plain(text)) if tokenizer.texts[id_])
    if len(ids) > most:
        raise InvalidRequest(field, f"at most {most} tokens, the output limit, expected, got {len(ids)}")
    return ids


def _forbidden_phrases(message: pb.DecodingOptions, model: ServedModel, limits: OptionLimits) -> Steps[tuple[str, ...]]:
    phrases = message.forbidden_phrases
    if len(phrases) > limits.max_forbidden_phrases:
        raise InvalidRequest(
            "decoding.forbidden_phrases", f"at most {limits.max_forbidden_phrases} expected, got {len(phrases)}"
        )
    forbidden = []
    for index, phrase in enumerate(phrases):
        field = f"decoding.forbidden_phrases[{index}]"
        _check_term(phrase, field)
        forbidden.append(model.tokenizers.target.surface(plain(phrase)).lstrip(WORD_START))
        if not forbidden[-1]:
            raise InvalidRequest(field, f"a text that has something to forbid expected, got {shown(phrase)}")
        yield
    return tuple(forbidden)


def _check_term(text: str, field: str) -> None:
    if not text.strip():
        raise InvalidRequest(field, f"a text that is not blank expected, got {shown(text)}")
    if len(text) > MAX_TERM_CHARACTERS:
        raise InvalidRequest(field, f"at most {MAX_TERM_CHARACTERS} characters expected, got {len(text)}")


def _terms(
    message: pb.Glossary, forbidden_phrases: tuple[str, ...], model: ServedModel, limits: OptionLimits
) -> Steps[TermFinder | None]:
    if not message.name and not message.entries:
        return None
    if len(message.entries) > limits.max_glossary_entries:
        raise InvalidRequest(
            "decoding.glossary.entries", f"at most {limits.max_glossary_entries} expected, got {len(message.entries)}"
        )
    base = None
    if message.name:
        if message.name not in model.glossaries:
            served = listed(list(model.glossaries)) or "none"
            raise InvalidRequest(
                "decoding.glossary.name",
                f"one of the model's glossaries ({served}) expected, got {shown(message.name)}",
            )
        base = model.glossaries[message.name]
    glossary = Glossary(base=base)
    for index, entry in enumerate(message.entries):
        field = f"decoding.glossary.entries[{index}]"
        _check_term(entry.source_term, f"{field}.source_term")
        _check_term(entry.target_term, f"{field}.target_term")
        if not words(entry.source_term):
            raise InvalidRequest(f"{field}.source_term", f"a word expected, got {shown(entry.source_term)}")
        glossary.add(entry.source_term, entry.target_term)
        yield
    return TermFinder(glossary, model.tokenizers, forbidden_phrases)
