"""What of a text no model may touch."""

from server.text.protected import find_protected
from tests.fakes import all_at_once


def literals(text: str, *do_not_translate: str) -> list[str]:
    found = all_at_once(find_protected(text, do_not_translate))
    assert all(text[span.start : span.end] == span.literal for span in found)
    return [span.literal for span in found]
