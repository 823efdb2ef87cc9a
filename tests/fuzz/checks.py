"""What is true of every answer to a request, whatever its contents and options."""

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from seq2serve.pb import translation_pb2 as pb
from server.bundle.manifest import Bundle
from server.text.alphabet import Alphabet, is_invisible
from server.text.folding import fold
from server.text.glossary import words
from server.text.protected import find_protected
from server.text.sentencepieces import SentencePieceTokenizer
from tests.fakes import all_at_once
from tests.fuzz import html_checks
from tests.fuzz.cases import HTML

_LONG_WORD = re.compile(r"[A-Za-z]{6,}")
"""No list marker has one."""

_KEPT = pb.FINISH_REASON_NOTHING_TO_TRANSLATE


class Readable:
    """What a model can read."""

    def __init__(self, bundle: Bundle) -> None:
        self.reorders = bool(bundle.manifest.span_pieces)
        """Whether the model carries protected spans, which it may write in another order."""
        self._alphabet = Alphabet(SentencePieceTokenizer(bundle.tokenizer, bundle.manifest.special_ids.eos))

    def unreadable(self, text: str) -> str:
        """The characters of a text that are in no form in the vocabulary, but for marks on others, and for capitals of
        small letters that are there: a text in capitals is answered so."""
        return "".join(character for character in text if self._lacks(character))

    def _lacks(self, character: str) -> bool:
        is_mark = unicodedata.category(character).startswith("M")
        return not is_mark and all(fold(form, self._alphabet) is None for form in (character, character.lower()))

    def lacks_any(self, text: str) -> bool:
        return any(self._alphabet.lacks(character) for character in text)


Check = Callable[[pb.TranslateRequest, str, pb.Translation, Readable], None]


def check_answer(request: pb.TranslateRequest, answer: pb.TranslateResponse, readable: Readable) -> None:
    assert len(answer.translations) == len(request.contents)
    assert answer.model == request.model
    for content, translation in zip(request.contents, answer.translations, strict=True):
        for check in _CHECKS:
            check(request, content, translation, readable)


def _segments_cover_the_content(
    request: pb.TranslateRequest, content: str, translation: pb.Translation, _: Readable
) -> None:
    text = translation.translated_text
    source_end = output_end = 0
    between: list[str] = []
    for segment in translation.segments:
        assert source_end <= segment.source_start < segment.source_end <= len(content), "segments in order"
        assert output_end <= segment.translation_start <= segment.translation_end <= len(text), "translations in order"
        between.append(content[source_end : segment.source_start])
        assert text[output_end : segment.translation_start] == between[-1], "the same between segments"
        source_end, output_end = segment.source_end, segment.translation_end
        source = content[segment.source_start : segment.source_end]
        assert request.mime_type == HTML or source == source.strip(), "no white space at a segment's ends"
        if segment.finish_reason == _KEPT and not request.decoding.HasField("glossary"):
            assert text[segment.translation_start : segment.translation_end] == source, "kept as it is"
    between.append(content[source_end:])
    assert text[output_end:] == between[-1], "the same behind the last segment"
    if request.mime_type != HTML:
        protected = set(_protected(request, content))
        for separator in between:
            rest = separator
            for literal in protected:
                rest = rest.replace(literal, " ")
            assert not _LONG_WORD.search(rest), f"a word is in no segment: {separator!r}"


def _counts_are_right(request: pb.TranslateRequest, _: str, translation: pb.Translation, __: Readable) -> None:
    decoding = request.decoding
    assert translation.source_token_count == sum(segment.source_token_count for segment in translation.segments)
    assert translation.output_token_count == sum(segment.output_token_count for segment in translation.segments)
    text = translation.translated_text
    for segment in translation.segments:
        assert segment.score <= 0.0
        if segment.finish_reason == _KEPT:
            assert segment.source_token_count == segment.output_token_count == 0
            continue
        assert segment.source_token_count > 1
        assert not decoding.max_output_tokens or segment.output_token_count <= decoding.max_output_tokens
        if segment.finish_reason != pb.FINISH_REASON_CONSTRAINTS:
            assert segment.output_token_count >= max(decoding.min_output_tokens, 1)
            written = text[segment.translation_start : segment.translation_end]
            # One that is cut off may have no more than blanks, and span pieces that carry nothing.
            is_cut_off = segment.finish_reason == pb.FINISH_REASON_MAX_OUTPUT_TOKENS
            assert written.strip() or is_cut_off, "an empty translation"


def _protected(request: pb.TranslateRequest, content: str) -> list[str]:
    return [span.literal.strip() for span in all_at_once(find_protected(content, list(request.do_not_translate)))]


def _given(request: pb.TranslateRequest) -> str:
    """What the options may add to a translation."""
    terms = [entry.target_term for entry in request.decoding.glossary.entries]
    return "\n".join([request.decoding.target_prefix, *terms])


def _is_of_a_term(request: pb.TranslateRequest, literal: str) -> bool:
    """Whether the glossary has words of a text."""
    listed = {word for entry in request.decoding.glossary.entries for word in words(entry.source_term)}
    return not listed.isdisjoint(words(literal))


def _protected_in_html(request: pb.TranslateRequest, content: str) -> Iterator[str]:
    """What is protected in a text between two tags, and touches neither."""
    for text in html_checks.texts(content):
        for span in all_at_once(find_protected(text, list(request.do_not_translate))):
            is_apart = text[: span.start][-1:].isspace() and text[span.end :][:1].isspace()
            if is_apart and not any(map(str.isspace, span.literal)) and not _is_of_a_term(request, span.literal):
                yield span.literal


def _are_in(literals: Iterable[str], text: str, readable: Readable) -> None:
    if readable.reorders:
        for literal, number in Counter(literals).items():
            assert text.count(literal) >= number, f"protected, and not in the translation: {literal!r}"
        return
    at = 0
    for literal in literals:
        at = text.find(literal, at)
        assert at >= 0, f"protected, and not in the translation, or not in order: {literal!r}"
        at += len(literal)


def _protected_is_in_it(
    request: pb.TranslateRequest, content: str, translation: pb.Translation, readable: Readable
) -> None:
    text = translation.translated_text
    if request.mime_type == HTML:
        if not html_checks.is_well_nested(content):
            return
        _are_in(_protected_in_html(request, content), html_checks.visible_text(text), readable)
        return
    given = _given(request)
    literals = [literal for literal in _protected(request, content) if not _is_of_a_term(request, literal)]
    _are_in(literals, text, readable)
    for literal in set(literals):
        if readable.unreadable(literal) and literal not in given:
            num_in_text = text.count(literal)  # it may also be a part of a word that is translated
            is_as_often = literals.count(literal) <= num_in_text <= content.count(literal)
            assert is_as_often, f"not as often as in the source: {literal!r}"


def _unreadable_is_in_it(
    request: pb.TranslateRequest, content: str, translation: pb.Translation, readable: Readable
) -> None:
    text = translation.translated_text
    if request.mime_type == HTML:
        if not html_checks.is_well_nested(content):
            return
        content, text = html_checks.visible_text(content), html_checks.visible_text(text)
    terms = "".join(entry.source_term for entry in request.decoding.glossary.entries)
    given = {*_given(request), *terms}
    source = [character for character in readable.unreadable(content) if character not in given]
    output = [character for character in readable.unreadable(text) if character not in given]
    if any(_is_of_a_term(request, character) for character in source):
        return
    if readable.reorders:
        source, output = sorted(source), sorted(output)
    if request.decoding.temperature:  # letters are drawn that the vocabulary has by accident
        drawn = iter(output)
        assert all(character in drawn for character in source), "what cannot be read is lost"
    else:
        assert output == source, f"what cannot be read is not the same: {''.join(source)!r}, {''.join(output)!r}"


def _nothing_invisible_is_added(
    request: pb.TranslateRequest, content: str, translation: pb.Translation, _: Readable
) -> None:
    source, text = content, translation.translated_text
    if request.mime_type == HTML:
        source, text = html_checks.decoded(content), html_checks.decoded(text)
    may_be, output = Counter(source + request.decoding.target_prefix), Counter(text)
    for entry in request.decoding.glossary.entries:
        may_be.update(entry.target_term * len(source))
    for character, number in output.items():
        if character == "\ufffd" or unicodedata.category(character) == "Cc" or is_invisible(character):
            is_drawn = bool(request.decoding.temperature)  # from all that the vocabulary has
            assert number <= may_be[character] or (is_drawn and character != "\ufffd"), f"added: {character!r}"


def _hypotheses_differ(request: pb.TranslateRequest, _: str, translation: pb.Translation, __: Readable) -> None:
    texts = [hypothesis.translated_text for hypothesis in translation.hypotheses]
    assert 1 <= len(texts) <= max(request.decoding.num_hypotheses, 1)
    assert len(set(texts)) == len(texts), "a text twice"
    assert texts[0] == translation.translated_text
    scores = [hypothesis.score for hypothesis in translation.hypotheses]
    assert scores == sorted(scores, reverse=True), "the best first"
    assert all(math.isfinite(score) for score in scores)


def _tokens_are_right(request: pb.TranslateRequest, content: str, translation: pb.Translation, _: Readable) -> None:
    decoding = request.decoding
    aligns = decoding.return_alignment or decoding.return_alignment_heads
    assert len(translation.source_tokens) == (translation.source_token_count if aligns else 0)
    num_source_words = len(re.findall(r"\S+", content))
    for hypothesis in translation.hypotheses:
        assert bool(hypothesis.tokens) <= (aligns or decoding.return_token_scores)
        for token in hypothesis.tokens:
            assert token.log_prob <= 0.0
            assert token.token
            if aligns:
                assert math.isclose(sum(token.alignment), 1.0, abs_tol=0.01)
                assert token.alignment_start + len(token.alignment) <= len(translation.source_tokens)
            assert bool(token.alignment_heads) == decoding.return_alignment_heads
            for head in token.alignment_heads:
                assert len(head.weights) == len(token.alignment)
                assert math.isclose(sum(head.weights), 1.0, abs_tol=0.01)
        num_words = len(re.findall(r"\S+", hypothesis.translated_text))
        pairs = list(_pairs(hypothesis.word_alignment))
        assert aligns or not pairs
        assert all(0 <= source < num_source_words and 0 <= output < num_words for source, output in pairs)
        assert len({output for _, output in pairs}) == len(pairs)


def _pairs(word_alignment: str) -> Iterator[tuple[int, int]]:
    for pair in word_alignment.split():
        source, _, output = pair.partition("-")
        yield int(source), int(output)


def _begins_with_the_prefix(request: pb.TranslateRequest, _: str, translation: pb.Translation, __: Readable) -> None:
    prefix = request.decoding.target_prefix
    decoded = [segment for segment in translation.segments if segment.finish_reason != _KEPT]
    if prefix and decoded and request.mime_type != HTML:
        start, end = decoded[0].translation_start, decoded[0].translation_end
        assert translation.translated_text[start:end].startswith(prefix), "the prefix as it was given"


def _terms_are_in_it(request: pb.TranslateRequest, content: str, translation: pb.Translation, _: Readable) -> None:
    entries = request.decoding.glossary.entries
    if len(entries) != 1 or request.mime_type == HTML:
        return
    term, target = words(entries[0].source_term), entries[0].target_term.strip().casefold()
    for segment in translation.segments:
        source = content[segment.source_start : segment.source_end]
        text = translation.translated_text[segment.translation_start : segment.translation_end].casefold()
        for literal in _protected(request, source):
            source = source.replace(literal, " \n ")
        if segment.finish_reason == pb.FINISH_REASON_END_OF_SENTENCE:
            number = _count(words(source), term)
            assert text.count(target) >= number, f"a term is lacking: {target!r}"


def _count(words_of_text: tuple[str, ...], term: tuple[str, ...]) -> int:
    number = at = 0
    while at < len(words_of_text):
        is_here = words_of_text[at : at + len(term)] == term
        number += is_here
        at += len(term) if is_here else 1
    return number


def _forbidden_is_not_in_it(
    request: pb.TranslateRequest, content: str, translation: pb.Translation, readable: Readable
) -> None:
    if request.mime_type == HTML or _given(request).strip() or _protected(request, content):
        return
    for segment in translation.segments:
        source = content[segment.source_start : segment.source_end]
        if segment.finish_reason == _KEPT or readable.lacks_any(source):
            continue
        text = translation.translated_text[segment.translation_start : segment.translation_end]
        for phrase in request.decoding.forbidden_phrases:
            if phrase.isascii() and phrase.isalpha() and not text.isupper():
                assert not re.search(rf"(?<!\w){phrase}", text), f"forbidden: {phrase!r}"


def _html_is_kept(request: pb.TranslateRequest, content: str, translation: pb.Translation, _: Readable) -> None:
    if request.mime_type == HTML:
        html_checks.check(content, translation.translated_text)


_CHECKS: tuple[Check, ...] = (
    _segments_cover_the_content,
    _counts_are_right,
    _protected_is_in_it,
    _unreadable_is_in_it,
    _nothing_invisible_is_added,
    _hypotheses_differ,
    _tokens_are_right,
    _begins_with_the_prefix,
    _terms_are_in_it,
    _forbidden_is_not_in_it,
    _html_is_kept,
)
