"""DeepL's `ignore_tags`: elements whose text stays as it is, said to the server as HTML says it."""

import re
from collections.abc import Sequence

_MARK = ' translate="no" data-seq2serve-ignored=""'
"""Attributes that no caller has written, and that are taken out again."""


def marked(text: str, ignored: Sequence[str]) -> str:
    """The text, with all start tags of the elements marked that are not to be translated."""
    if not ignored:
        return text
    names = "|".join(map(re.escape, ignored))
    return re.sub(rf"<({names})(?=[\s/>])", lambda tag: tag[0] + _MARK, text)


def unmarked(text: str) -> str:
    return text.replace(_MARK, "")
