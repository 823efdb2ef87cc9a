"""Sentences with slots, and how a slot's forms are put into them.

A slot is written `{kind}`, or `{kind2}` where a frame has two of a kind (they are filled differently);
`{kind.form}` asks for a form of what fills it (`{place.le}`: la gare), `{kind@other}` for the form that agrees with the
gender of what fills another slot (`{profession@name}`: infirmière; `{profession.mon@name}`: mon infirmière).
`models.data.made.slots` lists kinds and forms.
"""

import re
from collections.abc import Callable, Mapping
from random import Random
from typing import NamedTuple

from models.data.made import french

_SLOT = re.compile(r"\{([a-z]+)(\d?)(?:\.(\w+))?(?:@(\w+))?\}")
_OPENS_SENTENCE = re.compile(r"(?:^|[.!?] )[\"(]?$")
MAX_DRAWS = 100
"""Draws after which two slots of a kind are held to be of one value only."""


class Entry(NamedTuple):
    """What fills a slot: the same thing in both languages, each form by its name, the plain one by the empty name."""

    english: Mapping[str, str]
    french: Mapping[str, str]


Slot = Callable[[Random], Entry]


class Frame(NamedTuple):
    english: str
    french: str

    def fill(self, slots: Mapping[str, Slot], random: Random) -> tuple[str, str]:
        """One English-French pair with all slots filled at random. Raises KeyError for an unknown kind or form."""
        entries = self._draw(slots, random)

        def put(match: re.Match[str], side: int) -> str:
            kind, number, form, agrees = match.groups(default="")
            forms = entries[kind + number][side]
            if agrees:
                form = "_".join(filter(None, (form, entries[agrees].french["g"])))
            text = forms[form]
            if _OPENS_SENTENCE.search(match.string[: match.start()]):
                text = text[0].upper() + text[1:]
            return french.FILLED + text if side else text

        return (
            _SLOT.sub(lambda match: put(match, 0), self.english).replace(".m..", ".m."),
            french.join(_SLOT.sub(lambda match: put(match, 1), self.french)),
        )

    def _draw(self, slots: Mapping[str, Slot], random: Random) -> dict[str, Entry]:
        entries: dict[str, Entry] = {}
        for text in (self.english, self.french):
            for kind, number, *_ in _SLOT.findall(text):
                if kind + number in entries:
                    continue
                for _ in range(MAX_DRAWS):
                    entry = slots[kind](random)
                    if all(entry.english[""] != other.english[""] for other in entries.values()):
                        break
                entries[kind + number] = entry
        return entries
