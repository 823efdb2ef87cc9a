"""HTML that is laid out with simple sentences and addresses, and written again without being translated."""

import re
from collections.abc import Sequence
from html.parser import HTMLParser
from itertools import chain, pairwise
from typing import TypeVar

from server.text.html_tokens import Kind, escape, tokenize
from server.text.markup import FindProtected, FindSegments, lay_out_html
from server.text.segment import Layout, Protected, Segment
from server.text.steps import Steps

_Result = TypeVar("_Result")

PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Our dogs</title><style>p { color: #333 }</style></head>
<body class="page">
<h1>Meet our <em>dogs</em></h1>
<p>This is <a href="/rex?id=1&amp;v=2" title="Rex > Max">Rex</a>, a <b>very</b> big dog. He likes <i>to run</i> &amp; to
swim.<br>He is 3 years old.</p>
<p translate="no">Rex-O-Matic 3000. By us.</p>
<!-- <p>Not shown.</p> -->
<ul><li>He eats <span class="notranslate">Wuff™</span> every day.</li><li>He sleeps a lot.</li></ul>
<table><tr><td>Age<td>3<tr><td>Name<td>Rex</table>
<pre><code>if dog.is_tired(): sleep()</code></pre>
<script>var s = "<p>Do not translate me.</p>";</script>
</body></html>
"""


def find_segments(text: str, whole: Sequence[Protected]) -> Steps[list[tuple[int, int]]]:
    """Sentences end at a full stop and a space, even in what is protected."""
    starts = [0]
    for match in re.finditer(r"\. ", text):
        starts.append(match.end())
        yield
    return list(pairwise([*starts, len(text)]))


def find_protected(text: str) -> Steps[list[Protected]]:
    found = []
    for match in re.finditer(r"https?://[^\s]+|[@#]\w+|\{\w+\}", text):
        found.append(Protected(*match.span(), match[0]))
        yield
    return found


def run(steps: Steps[_Result]) -> _Result:
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: _Result = end.value
            return result


def lay_out(content: str) -> Layout:
    return run(lay_out_html(content, find_segments, find_protected))


def segments_of(content: str) -> list[Segment]:
    return [part for part in lay_out(content) if isinstance(part, Segment)]


def segment_of(content: str) -> Segment:
    (segment,) = segments_of(content)
    return segment


def texts(content: str) -> list[str]:
    return [segment.text for segment in segments_of(content)]


def shape(content: str) -> list[str]:
    """Separators as they are, segments' text in brackets."""
    return [part if isinstance(part, str) else f"[{part.text}]" for part in lay_out(content)]


def written(layout: Layout) -> str:
    """A translation that leaves every word as it is."""
    return "".join(part if isinstance(part, str) else written_segment(part) for part in layout)


def written_segment(segment: Segment) -> str:
    """At one place closing tags come first, inner ones before outer ones, then what has no text, then opening tags."""
    pieces: list[str] = []
    spans = {each.start: each for each in segment.protected if each.start < each.end}
    at = 0
    while at <= len(segment.text):
        pieces += [each.closing for each in reversed(segment.elements) if each.end == at]
        pieces += [each.literal for each in segment.protected if each.start == each.end == at]
        pieces += [each.opening for each in segment.elements if each.start == at]
        if at in spans:
            pieces.append(spans[at].literal)
            at = spans[at].end
        else:
            pieces.append(escape(segment.text[at : at + 1]))
            at += 1
    return "".join(pieces)


class Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(f"<{tag} {attrs}>")

    def handle_endtag(self, tag: str) -> None:
        self.tags.append(f"</{tag}>")

    def handle_comment(self, data: str) -> None:
        self.tags.append(f"<!--{data}-->")

    def handle_data(self, data: str) -> None:
        self.words += data.split()


def read(content: str) -> tuple[list[str], str]:
    reader = Reader()
    reader.feed(content)
    reader.close()
    return reader.tags, "".join(reader.words)


def tags_of(content: str) -> list[str]:
    return [content[start:end] for kind, start, end, _ in run(tokenize(content)) if kind is not Kind.TEXT]


def check(
    content: str, find_ranges: FindSegments = find_segments, find_spans: FindProtected = find_protected
) -> Layout:
    """What is true of every layout."""
    layout = run(lay_out_html(content, find_ranges, find_spans))
    parts = [part if isinstance(part, str) else content[part.start : part.end] for part in layout]
    assert "".join(parts) == content
    for segment in layout:
        if isinstance(segment, Segment):
            assert segment.is_html
            assert segment.text
            assert segment.text == segment.text.strip()
            assert len(segment.origins) == len(segment.text) + 1
            assert list(segment.origins) == sorted(segment.origins)
            borders = list(chain([0], *(each[:2] for each in segment.protected), [len(segment.text)]))
            assert borders == sorted(borders)
            for index, element in enumerate(segment.elements):
                assert 0 <= element.start < element.end <= len(segment.text)
                for later in segment.elements[index + 1 :]:
                    is_nested = element.start <= later.start and later.end <= element.end
                    assert is_nested or element.end <= later.start
        else:
            assert segment
    return layout
