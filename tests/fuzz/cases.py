"""What is asked of a server: the same contents under two sets of options."""

import json
import re
from collections.abc import Sequence
from typing import NamedTuple, TypeVar

from google.protobuf import json_format
from hypothesis import strategies as st

from seq2serve.pb import translation_pb2 as pb
from tests.fuzz import texts
from tests.fuzz.html_texts import html_texts

PLAIN, HTML = "text/plain", "text/html"


class Case(NamedTuple):
    request: pb.TranslateRequest
    beside: pb.TranslateRequest
    """The same contents, with other options."""
    alone: int
    """Index of the content that is asked for by itself as well."""

    @property
    def size(self) -> int:
        """Contents under options."""
        return len(self.request.contents) + len(self.beside.contents)

    def line(self) -> str:
        """From which the case can be made again."""
        messages = [json_format.MessageToDict(message) for message in (self.request, self.beside)]
        return json.dumps([*messages, self.alone])

    @classmethod
    def parse(cls, line: str) -> "Case":
        *messages, alone = json.loads(line)
        request, beside = (json_format.ParseDict(message, pb.TranslateRequest()) for message in messages)
        return cls(request, beside, alone)


_Option = TypeVar("_Option")


def _rarely(strategy: st.SearchStrategy[_Option], nothing: _Option, one_in: int = 8) -> st.SearchStrategy[_Option]:
    return st.integers(0, one_in - 1).flatmap(lambda number: strategy if number == one_in - 1 else st.just(nothing))


_prefixes = st.one_of(
    st.sampled_from(
        [
            "Le",
            "Un ",
            " Une",
            "Le chien",
            "«",
            "L'",
            "日本 ",
            "😊",
            "Le 你",
            "é\u0301 ",
            "A & B <c> ",
            "\u200b",
            "  La",
            "\u00a0",
            "L’",
            "LE",
            "{x}",
        ]
    ),
    st.text(texts.characters, max_size=6),
    texts.words,
)
_targets = st.one_of(
    st.sampled_from(
        ["chien", "le chien rouge", "日本", "AT&T", "<b>", "😊", "É", "R&D 日", "x", "Chien-Loup", "{0}", "a\u0301"]
    ),
    st.text(texts.characters, min_size=1, max_size=5),
)


@st.composite
def _parts(draw: st.DrawFn, contents: Sequence[str]) -> str:
    """A part of a content: words, mostly whole ones."""
    content = draw(st.sampled_from(contents))
    found = re.findall(r"\S+", content) or ["dog"]
    first = draw(st.integers(0, len(found) - 1))
    part = " ".join(found[first : first + draw(st.integers(1, 2))])
    cut = draw(st.sampled_from([0, 0, 0, 1, 2]))
    return (part.strip(".,!?<>") or part)[cut:60] or "the"


@st.composite
def options(draw: st.DrawFn, contents: Sequence[str], model: pb.Model) -> pb.DecodingOptions:
    """Mostly such as a model takes."""
    asked = pb.DecodingOptions()
    kind = draw(st.sampled_from(["greedy", "greedy", "greedy", "beam", "sampling", "wrong"]))
    if kind == "beam":
        asked.beam_size = draw(st.integers(2, 4))
        asked.num_hypotheses = draw(st.integers(0, asked.beam_size))
        asked.length_penalty = draw(st.sampled_from([0.0, 0.6, 10.0]))
        asked.patience = draw(st.sampled_from([0.0, 1.0, 2.5]))
        if model.has_alignment:
            asked.coverage_penalty = draw(st.sampled_from([0.0, 0.0, 0.2]))
    elif kind == "sampling":
        asked.temperature = draw(st.sampled_from([0.5, 1.0, 9.0]))
        asked.num_hypotheses = draw(st.integers(0, 3))
        asked.top_k = draw(st.sampled_from([0, 0, 1, 10]))
        asked.top_p = draw(st.sampled_from([0.0, 0.0, 0.1, 0.9]))
        if draw(st.integers(0, 3)):
            asked.seed = draw(st.integers(0, 5))
    elif kind == "wrong":
        name = draw(
            st.sampled_from(["beam_size", "num_hypotheses", "min_output_tokens", "top_k", "no_repeat_ngram_size"])
        )
        setattr(asked, name, draw(st.sampled_from([-1, 1, 7, 100_000])))
    asked.max_output_tokens = draw(_rarely(st.integers(1, 30), 0, 6))
    if kind != "wrong":
        asked.min_output_tokens = draw(_rarely(st.integers(0, asked.max_output_tokens or 12), 0))
        asked.no_repeat_ngram_size = draw(_rarely(st.integers(1, 3), 0))
    asked.repetition_penalty = draw(_rarely(st.sampled_from([1.5, 10.0]), 0.0))
    asked.target_prefix = draw(_rarely(_prefixes, "", 5))
    if draw(st.integers(0, 5)) == 5:
        asked.forbidden_phrases.extend(draw(st.lists(texts.words | _targets | st.just("le"), max_size=3)))
    if kind != "sampling" and draw(st.integers(0, 3)) == 3:
        entries = st.builds(pb.GlossaryEntry, source_term=_parts(contents) | texts.words, target_term=_targets)
        asked.glossary.entries.extend(draw(st.lists(entries, max_size=3)))
    asked.return_token_scores = draw(st.integers(0, 2)) == 2
    asked.return_alignment = model.has_alignment and draw(st.integers(0, 2)) == 2
    asked.return_alignment_heads = model.has_alignment and draw(st.integers(0, 5)) == 5
    asked.use_shortlist = model.has_shortlist and draw(st.integers(0, 3)) == 3
    return asked


_splittings = st.sampled_from(["SENTENCE_SPLITTING_UNSPECIFIED"] * 3 + pb.SentenceSplitting.keys())


@st.composite
def _requests(draw: st.DrawFn, contents: Sequence[str], mime_type: str, model: pb.Model) -> pb.TranslateRequest:
    return pb.TranslateRequest(
        contents=contents,
        model=model.name,
        mime_type=mime_type,
        split_sentences=draw(_splittings),
        do_not_translate=draw(_rarely(st.lists(_parts(contents) | texts.words, max_size=3), [], 3)),
        decoding=draw(options(contents, model)),
    )


@st.composite
def cases(
    draw: st.DrawFn, models: Sequence[pb.Model], num_contents: int, mime_types: Sequence[str] = (PLAIN, "", HTML)
) -> Case:
    """`num_contents`: of one request, at most."""
    model = draw(st.sampled_from(models))
    mime_type = draw(st.sampled_from(mime_types))
    kinds = html_texts if mime_type == HTML else texts.plain_texts
    contents = draw(st.lists(kinds, min_size=1, max_size=num_contents))
    request = draw(_requests(contents, mime_type, model))
    beside = draw(_requests(contents, mime_type, model))
    return Case(request, beside, draw(st.integers(0, len(contents) - 1)))
