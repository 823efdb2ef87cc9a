"""Placeholders in braces: of Python's and .NET's formats, of templates, of ICU messages."""

import re

from server.text.steps import Steps

_BRACE = re.compile(r"[{}]")
_BRACES_PER_STEP = 500
_MAX_FIELD = 2000
"""Code points between single braces."""

_FIELD = re.compile(
    r"\s{0,9}(?:[\w$@#-]++(?:[.:/]?[\w$-]++|\[[^\[\]{}\s]*+\]|\(\))*+)?(?:\?|![rsa])?(?::[^{}]*+|,\s{0,3}-?\d++)?\s{0,9}"
)
"""What a single pair of braces encloses: a name or a number, how it is converted, and its format."""

_FORMAT_START = re.compile(r"\w++(?:[.\[]\w++\]?)*+(?:![rsa])?:\{")
"""A format that has a field inside, as in {value:{width}}."""

_MESSAGE_START = re.compile(
    r"\s{0,9}\w++\s{0,9},\s{0,9}(?:plural|select|selectordinal|number|date|time|choice|duration|spellout|ordinal)\b"
)


def find_brace_placeholders(text: str) -> Steps[list[tuple[int, int]]]:
    """Where placeholders in balanced braces begin and end, with the sign before them as in ${name}; in order, and none
    inside another one."""
    ends = yield from _matching_braces(text)
    spans: list[tuple[int, int]] = []
    last_end = 0
    for number, (start, end) in enumerate(sorted(ends.items())):
        if number % _BRACES_PER_STEP == 0:
            yield
        if start < last_end:
            continue
        sign = text[start - 1 : start]
        is_signed = sign != "" and sign in "$#%" and start > last_end
        if is_signed or _is_template(text, start, end, ends) or _is_field(text, start, end):
            last_end = end
            spans.append((start - is_signed, end))
    return spans


def _matching_braces(text: str) -> Steps[dict[int, int]]:
    """The end of what each brace opens, for those that are closed."""
    ends: dict[int, int] = {}
    opened: list[int] = []
    for number, match in enumerate(_BRACE.finditer(text)):
        if number % _BRACES_PER_STEP == 0:
            yield
        if match.group() == "{":
            opened.append(match.start())
        elif opened:
            ends[opened.pop()] = match.end()
    return ends


def _is_template(text: str, start: int, end: int, ends: dict[int, int]) -> bool:
    """Whether the braces are doubled, as in {{ name }}, or have signs inside, as in {% if %}."""
    if ends.get(start + 1) == end - 1:
        return True
    return text[start + 1] in "%#" and end - start > 3 and text[end - 2] == text[start + 1]


def _is_field(text: str, start: int, end: int) -> bool:
    match = _FIELD.match(text, start + 1, min(end, start + _MAX_FIELD))
    if match and match.end() == end - 1:
        return True
    return bool(_FORMAT_START.match(text, start + 1, end) or _MESSAGE_START.match(text, start + 1, end))
