"""Terms and phrases of a request are tokenised once, whatever the number of segments that have them."""

import dataclasses
from collections import Counter
from pathlib import Path

import pytest

from seq2serve.pb import translation_pb2 as pb
from server.decoding.metrics import EngineMetrics
from server.decoding.scheduler import Limits
from server.errors import InvalidRequest
from server.messages.options import RequiredTerm
from server.serving.models.backlog import Backlog
from server.serving.models.catalogue import Models
from server.serving.models.served import ServedModel
from server.serving.models.versions import ModelVersions
from server.serving.requests.options import OptionLimits
from server.serving.requests.parse import RequestLimits, parse_request
from server.serving.requests.parsed import TranslationRequest
from server.text.glossary import Glossary
from server.text.sentencepieces import SentencePieceTokenizer
from server.text.tokenizer import Tokenizers
from tests.fakes import EOS, MANIFEST, NO_PIECES, FakeBackend, InProcess, all_at_once, post

LIMITS = RequestLimits(
    max_contents=9,
    max_content_characters=4000,
    max_segments=999,
    max_do_not_translate=9,
    options=OptionLimits(6, max_forbidden_phrases=9, max_glossary_entries=9),
)
MANY_SEGMENTS = "The cat sleeps on the roof of the car. " * 40


class CountingTokenizer(SentencePieceTokenizer):
    def __init__(self, path: Path) -> None:
        super().__init__(path, EOS)
        self.num_times: Counter[str] = Counter()

    def encode(self, text: str) -> list[int]:
        self.num_times[text] += 1
        return super().encode(text)

    def surface(self, text: str) -> str:
        self.num_times[text] += 1
        return super().surface(text)


@pytest.fixture
def tokenizer(small_tokenizer: Path) -> CountingTokenizer:
    return CountingTokenizer(small_tokenizer)


@pytest.fixture
def models(tokenizer: CountingTokenizer) -> Models:
    manifest = dataclasses.replace(MANIFEST, max_source_tokens=40, max_output_tokens=60)
    model = ServedModel(
        manifest,
        Tokenizers.one(tokenizer),
        InProcess(MANIFEST, FakeBackend(1), NO_PIECES, Limits(1, 1), post, EngineMetrics("fake")),
        Backlog(1.0),
        {"kept": Glossary([("roof", "le roof")])},
    )
    return Models(["fake"], [ModelVersions({"1": model})])


def parse(
    models: Models, *contents: str, phrases: tuple[str, ...] = (), kept: str = "", **entries: str
) -> TranslationRequest:
    glossary = pb.Glossary(
        name=kept,
        entries=[pb.GlossaryEntry(source_term=source, target_term=target) for source, target in entries.items()],
    )
    decoding = pb.DecodingOptions(glossary=glossary, forbidden_phrases=phrases)
    return all_at_once(parse_request(pb.TranslateRequest(contents=contents, decoding=decoding), models, LIMITS))


def test_every_segment_requires_the_terms_that_it_has(models: Models, tokenizer: CountingTokenizer) -> None:
    [content] = parse(models, MANY_SEGMENTS, cat="the cat").contents
    assert len(content.segments) > 5
    term_ids = tuple(tokenizer.encode("the cat"))
    for segment in content.segments:
        source = tokenizer.decode(segment.source_ids[:-1])
        assert [term.ids for term in segment.options.required_terms] == [term_ids] * source.count("cat")
        for term in segment.options.required_terms:
            assert isinstance(term, RequiredTerm)
            assert tokenizer.decode([segment.source_ids[at] for at in term.source]) == "cat"


def test_terms_and_phrases_are_tokenised_once(models: Models, tokenizer: CountingTokenizer) -> None:
    parse(models, MANY_SEGMENTS, MANY_SEGMENTS, phrases=("guitar", "a dog"), kept="kept", cat="the cat", car="a car")
    for text in ("guitar", "a dog", "the cat", "a car", "le roof"):
        assert tokenizer.num_times[text] == 1, text


def test_a_term_that_is_forbidden_is_refused_where_it_is_found_and_only_there(models: Models) -> None:
    assert parse(models, "She smiled.", phrases=("dog", "roof"), kept="kept").contents
    with pytest.raises(InvalidRequest) as raised:
        parse(models, "She smiled.", "The roof.", phrases=("dog", "roof"), kept="kept")
    assert raised.value.field == "decoding.forbidden_phrases[1]"
    assert raised.value.problem == "a text that is not in decoding.glossary expected, got 'roof'"


def test_what_has_to_be_written_may_end_with_a_forbidden_phrase(models: Models) -> None:
    assert parse(models, "The cat.", phrases=("t",), cat="cat").contents
    with pytest.raises(InvalidRequest):
        parse(models, "The cat.", phrases=("ca",), cat="cat")


def test_a_target_that_the_vocabulary_lacks_is_put_in_by_itself(models: Models) -> None:
    [content] = parse(models, "The cat sleeps.", cat="猫").contents
    [segment] = content.segments
    assert not segment.options.required_terms
    assert [(at, span.literal) for at, span in segment.reading.protected] == [(4, "猫")]
    assert segment.reading.text == "The sleeps."


def test_a_source_term_that_the_vocabulary_lacks_is_found(models: Models) -> None:
    request = pb.TranslateRequest(
        contents=["The 猫 sleeps."],
        decoding=pb.DecodingOptions(
            glossary=pb.Glossary(entries=[pb.GlossaryEntry(source_term="猫", target_term="犬")])
        ),
    )
    [content] = all_at_once(parse_request(request, models, LIMITS)).contents
    assert [span.literal for _, span in content.segments[0].reading.protected] == ["犬"]


@pytest.mark.parametrize("target", ["10²", "½", "ﬁn"])
def test_a_target_of_which_the_tokenizer_makes_another_text_is_put_in_by_itself(models: Models, target: str) -> None:
    [segment] = parse(models, "The cat sleeps.", cat=target).contents[0].segments
    assert not segment.options.required_terms
    assert [span.literal for _, span in segment.reading.protected] == [target]


def test_blanks_around_a_target_make_no_other_text_of_it(models: Models) -> None:
    [segment] = parse(models, "The cat sleeps.", cat=" the  dog ").contents[0].segments
    assert len(segment.options.required_terms) == 1


def test_a_target_in_html_is_no_markup(models: Models) -> None:
    entry = pb.GlossaryEntry(source_term="cat", target_term="<b>猫")
    options = pb.DecodingOptions(glossary=pb.Glossary(entries=[entry]))
    request = pb.TranslateRequest(
        contents=["The cat sleeps.", "<i>cat</i> &amp; <b>5</b>"], decoding=options, mime_type="text/html"
    )
    first, second = all_at_once(parse_request(request, models, LIMITS)).contents
    assert [span.literal for _, span in first.segments[0].reading.protected] == ["&lt;b&gt;猫"]
    assert second.translated([]) == "<i>&lt;b&gt;猫</i> &amp; <b>5</b>"
