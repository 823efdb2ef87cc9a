"""What a translation of HTML has of its source: every tag as often, nested as before."""

import html
import re
from collections import Counter
from html.parser import HTMLParser

from server.text.html_tokens import RAW_TEXT, VOID, Kind, is_self_closing, tokenize
from tests.fakes import all_at_once
from tests.fuzz.html_texts import UNTOUCHED

_KEPT = re.compile(r"<(?:code|kbd|pre)\b|<[^>]*translate")
"""Elements that are written as they are, where the words around them stand."""


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[str] = []

    def handle_data(self, data: str) -> None:
        if self.cdata_elem is None:
            self.pieces.append(data)


def texts(content: str) -> list[str]:
    """All texts between tags, references decoded, but those of scripts."""
    reader = _Text()
    reader.feed(content)
    reader.close()
    return reader.pieces


def visible_text(content: str) -> str:
    return "".join(texts(content))


def decoded(content: str) -> str:
    """The text, references decoded, with tags and all."""
    return html.unescape(content)


def tags(content: str) -> list[str]:
    return [content[start:end] for kind, start, end, _ in all_at_once(tokenize(content)) if kind is not Kind.TEXT]


def paths(content: str, *, with_empty: bool) -> Counter[tuple[str, ...]] | None:
    """Of each element, or each that has text, the opening tags that it is in, and its own; None where tags are nested
    wrongly."""
    open_: list[tuple[str, str]] = []
    found: Counter[tuple[str, ...]] = Counter()
    has_text: list[bool] = []
    for token in all_at_once(tokenize(content)):
        tag = content[token.start : token.end]
        if token.kind is Kind.TEXT:
            if tag.strip():
                has_text = [True] * len(has_text)
        elif token.kind is Kind.OPENING:
            if token.name not in VOID and not is_self_closing(content, token):
                open_.append((token.name, tag))
                has_text.append(False)
        elif token.kind is Kind.CLOSING:
            if not open_ or open_[-1][0] != token.name:
                return None
            if (has_text.pop() or with_empty) and not any(_KEPT.match(each) for _, each in open_):
                found[tuple(each for _, each in open_)] += 1
            open_.pop()
    return None if open_ else found


def is_well_nested(content: str) -> bool:
    return paths(content, with_empty=True) is not None and not re.search(r"<(?![a-z/!])|&(?!#?\w+;)", content)


def check(content: str, text: str) -> None:
    source_tags, output_tags = tags(content), tags(text)
    lost = Counter(source_tags) - Counter(output_tags)
    added = Counter(output_tags) - Counter(source_tags)
    assert not lost, f"tags that are lost: {lost}"
    assert not added, f"tags that were added: {added}"
    before = paths(content, with_empty=False)
    if before is not None and not any(f"<{name}" in content for name in RAW_TEXT):
        after = paths(text, with_empty=True)  # what was in an element may have no translation
        assert after is not None, "nested wrongly"
        assert before - after == Counter(), f"not nested as before: {before - after}"
        for untouched in UNTOUCHED:
            assert text.count(untouched) >= content.count(untouched), f"touched: {untouched}"
