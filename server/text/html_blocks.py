"""The blocks of HTML: texts that no block element parts, with the tags that stand in them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from server.text.html_tokens import (
    RAW_TEXT,
    VOID,
    Kind,
    Token,
    element_names,
    find_references,
    forbids_translation,
    is_self_closing,
    tokenize,
)
from server.text.steps import Steps

_ENDING_PARAGRAPHS = element_names(
    "address article aside blockquote center details dialog dir div dl fieldset figcaption figure footer form h1 h2 h3 "
    "h4 h5 h6 header hgroup hr listing main menu nav ol p pre search section summary table ul xmp"
)
_BLOCKS = _ENDING_PARAGRAPHS | element_names(
    "audio body br button canvas caption col colgroup datalist dd dt frame frameset head html iframe legend li marquee "
    "noembed noframes noscript object optgroup option select tbody td template textarea tfoot th thead title tr video"
)
"""Elements that part sentences. All others, unknown ones too, are inline."""

_INVISIBLE = element_names("math script style svg")
"""Elements that are kept as they are, and have no words of the sentence in which they stand."""
_KEPT = _INVISIBLE | element_names("code kbd listing pre samp var") | frozenset(RAW_TEXT)
"""Elements that are kept as they are."""

_CELLS_END = element_names("td th tr tbody tfoot thead")
_ENDED_BY = {
    "p": _ENDING_PARAGRAPHS,
    "li": frozenset(["li"]),
    **dict.fromkeys(["dt", "dd"], frozenset(["dt", "dd"])),
    **dict.fromkeys(["td", "th"], _CELLS_END),
    "tr": _CELLS_END - {"td", "th"},
    "option": frozenset(["option", "optgroup"]),
}
"""Elements whose closing tag may be left out, and the opening tags before which they end."""
_LISTS = ("ul", "ol", "menu", "dl", "table", "select")
"""Elements whose own items do not end an item that contains them."""

_BLANKS = dict.fromkeys(map(ord, "\t\n\v\f\r\x1c\x1d\x1e\x1f\x85\u2028\u2029"), " ")


@dataclass(slots=True, eq=False)
class Mark:
    """A tag, or something else that has no words, in a block."""

    at: int
    """Where it stands, in code points of the block's text: behind so many."""
    start: int
    """In code points of the content."""
    end: int
    kind: Kind
    """OTHER if it stands alone whatever comes."""
    name: str = ""
    partner: "Mark | None" = None
    """The other tag of its element, once they are paired."""


@dataclass(slots=True, eq=False)
class Block:
    pieces: list[str] = field(default_factory=list)
    """Of the text: without tags, references decoded, tabs and line breaks as spaces."""
    begins: list[int] = field(default_factory=list)
    """Where each code point of the text begins in the content; a kept element's first where its opening tag does."""
    ends: list[int] = field(default_factory=list)
    """Where each code point of the text ends in the content; a kept element's last where its closing tag does."""
    marks: list[Mark] = field(default_factory=list)
    """In the content's order."""
    kept: list[tuple[int, int]] = field(default_factory=list)
    """Parts of the text that are the words of elements which are kept as they are, in order."""
    has_words: bool = False
    """Whether there is anything but white space and kept elements."""

    def add_text(self, content: str, start: int, end: int) -> Steps[None]:
        at = start
        references = (yield from find_references(content, start, end)) if "&" in content[start:end] else []
        for begin, stop, characters in references:
            self._add(content[at:begin], range(at, begin + 1))
            # A second code point of the reference is nothing between its end and its end.
            self._add(characters, (begin, *[stop] * len(characters)))
            at = stop
            yield
        self._add(content[at:end], range(at, end + 1))

    def add_kept(self, content: str, tokens: Sequence[Token]) -> Steps[None]:
        """An inline element, from its opening to its closing tag."""
        start, end = tokens[0].start, tokens[-1].end
        words = Block()
        if tokens[0].name not in _INVISIBLE:
            for token in tokens:
                if token.kind is Kind.TEXT:
                    yield from words.add_text(content, token.start, token.end)
        text = "".join(words.pieces)
        if not words.has_words:
            self.marks.append(Mark(len(self.begins), start, end, Kind.OTHER))
            return
        first, last = len(text) - len(text.lstrip()), len(text.rstrip())
        at = len(self.begins)
        self.pieces.append(text[first:last])
        self.begins += words.begins[first:last]
        self.ends += words.ends[first:last]
        self.begins[at], self.ends[-1] = start, end
        self.kept.append((at, len(self.begins)))

    def _add(self, text: str, places: Sequence[int]) -> None:
        """`places`: where each code point begins in the content, and where the last ends."""
        if text:
            text = text.translate(_BLANKS)
            self.pieces.append(text)
            self.begins += places[:-1]
            self.ends += places[1:]
            self.has_words = self.has_words or not text.isspace()


def read_blocks(content: str) -> Steps[list[Block]]:
    """The blocks that have words, in order; all else of the content is between them."""
    tokens = yield from tokenize(content)
    blocks = [Block()]
    outer: Counter[str] = Counter()
    """Open elements by name."""
    at = 0
    while at < len(tokens):
        token, block = tokens[at], blocks[-1]
        next_at, is_parting = at + 1, token.name in _BLOCKS
        if token.kind is Kind.TEXT:
            yield from block.add_text(content, token.start, token.end)
        elif token.kind is Kind.OPENING and _is_kept(content, token):
            next_at, is_inline = yield from _find_end(tokens, at, outer)
            is_parting = not is_inline
            if is_inline:
                yield from block.add_kept(content, tokens[at:next_at])
        else:
            _count(outer, token)
            if not is_parting:
                kind = Kind.OTHER if token.name in VOID else token.kind
                block.marks.append(Mark(len(block.begins), token.start, token.end, kind, token.name))
        if is_parting and (block.begins or block.marks):
            blocks[-1:] = [block, Block()] if block.has_words else [Block()]
        at = next_at
        yield
    return blocks if blocks[-1].has_words else blocks[:-1]


def _is_kept(content: str, tag: Token) -> bool:
    """Whether an element is written as it is, from its opening to its closing tag."""
    if tag.name in RAW_TEXT:
        return True
    if tag.name in VOID or is_self_closing(content, tag):
        return False
    return tag.name in _KEPT or forbids_translation(content[tag.start : tag.end])


def _count(open_names: "Counter[str]", tag: Token) -> None:
    if tag.kind is Kind.OPENING and tag.name not in VOID:
        open_names[tag.name] += 1
    elif tag.kind is Kind.CLOSING and open_names[tag.name]:
        open_names[tag.name] -= 1


def _find_end(tokens: Sequence[Token], first: int, outer: "Counter[str]") -> Steps[tuple[int, bool]]:
    """Where the element that the token `first` opens ends: the index behind its last token, and whether it can stand
    within a sentence, because it has its closing tag and no block inside. Without a closing tag it ends where the
    standard says, or with an element of `outer`, or not at all."""
    name = tokens[first].name
    is_inline = name not in _BLOCKS
    inner: list[str] = []
    num_inner: Counter[str] = Counter()
    for at in range(first + 1, len(tokens)):
        kind, _, _, other = tokens[at]
        if kind is Kind.OPENING:
            if other in _ENDED_BY.get(name, ()) and not any(num_inner[each] for each in _LISTS):
                return at, False
            if other not in VOID:
                inner.append(other)
                num_inner[other] += 1
        elif kind is Kind.CLOSING:
            if num_inner[other]:
                while True:
                    closed = inner.pop()
                    num_inner[closed] -= 1
                    if closed == other:
                        break
            elif other == name:
                return at + 1, is_inline
            elif outer[other]:
                return at, False
        if other in _BLOCKS and name not in _INVISIBLE:
            is_inline = False
        yield
    return len(tokens), False
