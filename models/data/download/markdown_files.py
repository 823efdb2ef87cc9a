"""Sources of paired Markdown documents: blocks of equal kind, in sections under equal headings.

A section whose blocks are not the same kinds in the same order is left out: translators add notes and fall behind.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from markdown_it import MarkdownIt
from markdown_it.token import Token

from models.data.download.pair import Pair

_FRONT_MATTER = re.compile(r"\A---\n(.*?)\n---\n", re.DOTALL)
_KEY = re.compile(r"^translationKey:\s*[\"']?([^\"'\n]+)", re.MULTILINE)
_ANCHOR = re.compile(r" *(?:\{/\*[^*\n]*\*/\}|\{#[\w-]+\})")
"""The identifier of a heading, behind its text."""

_PARSER = MarkdownIt("commonmark").enable("table")


class Block(NamedTuple):
    kind: str
    """The block's tag with those around it, such as `ul/li/p`."""
    text: str
    """Without inline markup; empty for code and HTML."""


def read_markdown(english: Sequence[Path], french: Sequence[Path]) -> Iterator[Pair]:
    """Documents of the same relative path under an English and a French folder."""
    for ours, theirs in zip(english, french, strict=True):
        for path in sorted(theirs.rglob("*.md")):
            beside = ours / path.relative_to(theirs)
            if beside.exists():
                yield from align(beside.read_text(encoding="utf-8"), path.read_text(encoding="utf-8"))


def read_markdown_by_key(english: Sequence[Path], french: Sequence[Path]) -> Iterator[Pair]:
    """Documents with the same `translationKey` in their front matter, as Hugo has it."""
    for ours, theirs in zip(english, french, strict=True):
        documents = _by_key(ours)
        for key, text in _by_key(theirs).items():
            if key in documents:
                yield from align(documents[key], text)


def _by_key(folder: Path) -> dict[str, str]:
    documents: dict[str, str] = {}
    for path in sorted(folder.rglob("*.md")):
        text = path.read_text(encoding="utf-8")
        front = _FRONT_MATTER.match(text)
        key = front and _KEY.search(front.group(1))
        if key:
            documents[key.group(1).strip()] = text
    return documents


def align(english: str, french: str) -> Iterator[Pair]:
    """Blocks of two documents, section by section; nothing if their headings are not of the same levels."""
    sections = [_sections(_blocks(document)) for document in (english, french)]
    headings = [[section[0].kind for section in side[1:]] for side in sections]
    if headings[0] != headings[1]:
        return
    for ours, theirs in zip(*sections, strict=True):
        if [block.kind for block in ours] == [block.kind for block in theirs]:
            for block, other in zip(ours, theirs, strict=True):
                if block.text and other.text:
                    yield Pair(block.text, other.text)


def _sections(blocks: list[Block]) -> list[list[Block]]:
    """What is before the first heading, and each heading with what is under it."""
    starts = [0, *(index for index, block in enumerate(blocks) if block.kind.startswith("h")), len(blocks)]
    return [blocks[start:end] for start, end in pairwise(starts)]


def _blocks(document: str) -> list[Block]:
    around: list[str] = []
    blocks: list[Block] = []
    for token in _PARSER.parse(_ANCHOR.sub("", _FRONT_MATTER.sub("", document, count=1))):
        if token.nesting == 1:
            around.append(token.tag)
        elif token.nesting == -1:
            around.pop()
        elif token.type == "inline":
            blocks.append(Block("/".join(around), _text(token)))
        else:
            blocks.append(Block("/".join([*around, token.type]), ""))
    return blocks


def _text(inline: Token) -> str:
    parts: list[str] = []
    for child in inline.children or ():
        if child.type in ("text", "code_inline", "text_special"):
            parts.append(child.content)
        elif child.type in ("softbreak", "hardbreak"):
            parts.append(" ")
    return "".join(parts).strip()
