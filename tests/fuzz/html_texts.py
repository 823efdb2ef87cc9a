"""HTML: valid, and broken in every way."""

from hypothesis import strategies as st

from tests.fuzz import texts

UNTOUCHED = (
    "<script>if (a < b) { say('<p>A dog runs.</p>') }</script>",
    "<style>p { color: red } /* A man */</style>",
    '<span translate="no">A dog runs.</span>',
    "<b class='x notranslate y'>The <i>old</i> man</b>",
    "<code>a dog(&amp;x)</code>",
    "<pre>A dog\n  runs</pre>",
    "<kbd>Ctrl</kbd>",
    "<!-- A dog. <b> -->",
)
"""What is in a translation byte for byte, its parts never apart."""

_REFERENCES = [
    "&amp;",
    "&lt;b&gt;",
    "&nbsp;",
    "&#128522;",
    "&#x4f60;",
    "&eacute;",
    "&amp;lt;",
    "&NotEqualTilde;",
    "&shy;",
]
_BARE = ["&", "&&", "& ", "AT&T", "a < b", "1<2", ">", "&foo;", "&amp", "&#;", "&#0;", "<3", "</", "<"]
_ALONE = [
    "<br>",
    "<br/>",
    '<img src="a.b" alt="A dog">',
    "<wbr>",
    "<hr>",
    "<!-- x -->",
    "<input value='a>b'>",
    "<!DOCTYPE html>",
]
_STRAY = [
    "<b>",
    "</b>",
    "<i>",
    "</i>",
    "<p>",
    "</p>",
    "<div>",
    "</div>",
    "<code>",
    "</code>",
    "<li>",
    "<td>",
    "<script>",
    "</a>",
]
_STRAY += [
    "<!--",
    "-->",
    '<a href="',
    "<b",
    "<svg/>",
    "<![CDATA[",
    "]]>",
    "<p translate=no>",
    "</script>",
    "<textarea>",
    "<title>",
]
_ATTRIBUTES = [
    "",
    "",
    "",
    ' class="mention"',
    " href='https://a.b/?x=1&amp;y=2'",
    ' title="a > b"',
    " data-x",
    " lang=en",
]
_INLINE = ["b", "i", "a", "span", "em", "strong", "u", "x-y", "small"]
_BLOCKS = ["p", "div", "li", "td", "h1", "blockquote", "ul", "section", "article"]


def escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\0", "").replace("\r", "\n")


_texts = st.one_of(
    texts.words, texts.words, texts.sentences, texts.sentences, texts.lines().map(escaped), st.sampled_from(_REFERENCES)
)
_untouched = st.sampled_from(UNTOUCHED)
_between = st.sampled_from(["", " ", " ", "\n", ". "])


def _elements(names: list[str], inside: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Each with a number of its own, mostly, by which it is found again."""
    return st.builds(
        lambda name, attributes, number, parts: f"<{name}{attributes} id={number}>{''.join(parts)}</{name}>",
        st.sampled_from(names),
        st.sampled_from(_ATTRIBUTES),
        st.integers(0, 99),
        st.lists(st.tuples(inside, _between).map("".join), max_size=4),
    )


_phrases = st.recursive(
    st.one_of(_texts, _texts, _texts, st.sampled_from(_ALONE), _untouched),
    lambda inside: _elements(_INLINE, inside),
    max_leaves=8,
)
_phrasing = st.lists(st.tuples(_phrases, _between).map("".join), max_size=4).map("".join)
valid = st.one_of(
    _phrasing,
    _elements(["p"], _phrasing),
    st.lists(_elements(_BLOCKS, _phrasing), max_size=3).map("\n".join),
    _elements(["div"], _elements(_BLOCKS, _phrasing) | _phrasing),
)
broken = st.lists(
    st.one_of(_texts, st.sampled_from(_STRAY), st.sampled_from(_BARE), st.sampled_from(_ALONE), _untouched, _between),
    max_size=12,
).map("".join)
torn = st.tuples(valid, st.integers(0, 200), st.integers(0, 200)).map(
    lambda three: three[0][three[1] :] + three[0][: three[2]]
)
html_texts = st.one_of(valid, valid, valid, broken, torn, texts.plain_texts)
