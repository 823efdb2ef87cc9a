"""What fills the slots of frames.

Kind by kind, with the forms beyond the plain one that frames may ask for:

- nouns (`thing`, `food`, `drink`, `place`, `clothes`, `animal`, `family`): English `a`, `pl`, `s`; French see
  `french.noun_forms`;
- adjectives (`feeling`, `quality`, `colour`, `nationality`): French `m`, `f`; `profession` the same, and
  `mon` and `nouveau` before it; English `a` too;
- people (`name`, `woman`, `man`: a first name; `surname`; `title`: Mr. Smith): English `s`, `he`, `him`, `his`; French
  see `french.gender_forms`, and for titles `voc`, by which somebody is addressed;
- `city` and `country`: French `in`, `from`; `language`: French `le`;
- `action`: an infinitive without `to`; `weekday`, `month`, `season`;
- numerals: see `models.data.made.numerals`.
"""

from collections.abc import Callable, Mapping
from random import Random

from models.data.made import english, french
from models.data.made.files import read_rows
from models.data.made.frames import Entry, Slot
from models.data.made.numerals import numeral_slots

NOUNS = ("animal", "clothes", "drink", "family", "food", "place", "thing")
ADJECTIVES = ("colour", "feeling", "nationality", "quality")
PLAIN = ("action", "city", "season")

SHARE_OF_INVENTED_SURNAMES = 0.4
_TITLES = {
    # English title -> (French with its article, French in address, whether feminine)
    "Mr.": ("M.", "monsieur", False),
    "Mr": ("M.", "monsieur", False),
    "Mrs.": ("Mme", "madame", True),
    "Mrs": ("Mme", "madame", True),
    "Ms.": ("Mme", "madame", True),
    "Miss": ("Mlle", "mademoiselle", True),
    "Dr.": ("le Dr", "docteur", False),
    "Doctor": ("le docteur", "docteur", False),
    "Professor": ("le professeur", "professeur", False),
}
_TITLE_WEIGHTS = (6, 1, 5, 1, 2, 2, 4, 1, 3)


def read_slots() -> dict[str, Slot]:
    """All kinds of slots, read from the lexicon: kind -> what draws an entry."""
    slots: dict[str, Slot] = {}
    for kinds, entry in ((NOUNS, _noun), (ADJECTIVES, _adjective), (("profession",), _profession), (PLAIN, _plain)):
        for kind in kinds:
            slots[kind] = _any_of([entry(*row) for row in read_rows(f"lexicon/{kind}.txt")])
    slots["country"] = _any_of([_country(*row) for row in read_rows("lexicon/country.txt")])
    slots["language"] = _any_of([_language(*row) for row in read_rows("lexicon/language.txt")])
    names = {gender: [_person(row[0], gender == "woman") for row in read_rows(f"lexicon/{gender}.txt")]
             for gender in ("woman", "man")}  # fmt: skip
    slots |= {gender: _any_of(entries) for gender, entries in names.items()}
    slots["name"] = _any_of(names["woman"] + names["man"])
    surname = _surname_slot()
    slots["surname"] = lambda random: _person(surname(random), feminine=False)
    slots["title"] = lambda random: _titled(surname(random), random)
    return slots | numeral_slots()


def _any_of(entries: list[Entry]) -> Slot:
    return lambda random: random.choice(entries)


def _split_plural(column: str, rule: Callable[[str], str]) -> tuple[str, str]:
    """A noun and its plural, from `knife/knives` or, where it is regular, `fork`."""
    word, _, many = column.partition("/")
    return word, many or rule(word)


def _noun(english_column: str, french_column: str, gender: str) -> Entry:
    word, many = _split_plural(english_column, english.plural)
    return Entry(
        {"": word, "a": english.with_article(word), "pl": many, "s": english.possessive(word)},
        french.noun_forms(*_split_plural(french_column, french.plural), feminine=gender == "f"),
    )


def _adjective(word: str, masculine: str, feminine: str) -> Entry:
    return Entry({"": word, "a": english.with_article(word)}, {"": masculine, "m": masculine, "f": feminine})


def _profession(word: str, masculine: str, feminine: str) -> Entry:
    """A profession; `mon_m`, `mon_f`, `nouveau_m`, `nouveau_f` are it after `mon` and after `nouveau`."""
    entry = _adjective(word, masculine, feminine)
    forms = dict(entry.french)
    for gender, noun in (("m", masculine), ("f", feminine)):
        forms[f"mon_{gender}"] = french.noun_forms(noun, noun, feminine=gender == "f")["mon"]
        new = "nouvelle" if gender == "f" else "nouvel" if french.elides(noun) else "nouveau"
        forms[f"nouveau_{gender}"] = f"{new} {noun}"
    return Entry(entry.english, forms)


def _plain(word: str, translation: str) -> Entry:
    return Entry({"": word}, {"": translation})


def _language(word: str, translation: str) -> Entry:
    le = f"l'{translation}" if french.elides(translation) else f"le {translation}"
    return Entry({"": word}, {"": translation, "le": le})


def _country(word: str, translation: str, gender: str) -> Entry:
    """A country: gender m, f, p (plural), or without an article, n after `à` (Cuba) and i after `en` (Israël)."""
    short = french.elides(translation)
    of = "d'" if short else "de "
    if gender == "p":
        forms = {"": f"les {translation}", "in": f"aux {translation}", "from": f"des {translation}"}
    elif gender in ("n", "i"):
        forms = {"": translation, "in": f"{'à' if gender == 'n' else 'en'} {translation}", "from": f"{of}{translation}"}
    elif gender == "f" or short:
        article = "l'" if short else "la "
        forms = {"": f"{article}{translation}", "in": f"en {translation}", "from": f"{of}{translation}"}
    else:
        forms = {"": f"le {translation}", "in": f"au {translation}", "from": f"du {translation}"}
    return Entry({"": word}, forms)


def _english_person(name: str, feminine: bool) -> Mapping[str, str]:
    he, him, his = ("she", "her", "her") if feminine else ("he", "him", "his")
    return {"": name, "s": english.possessive(name), "he": he, "him": him, "his": his}


def _person(name: str, feminine: bool) -> Entry:
    return Entry(_english_person(name, feminine), {"": name, **french.gender_forms(feminine)})


def _titled(surname: str, random: Random) -> Entry:
    (title,) = random.choices(list(_TITLES), _TITLE_WEIGHTS)
    translation, address, feminine = _TITLES[title]
    forms = {"": f"{translation} {surname}", "voc": f"{address} {surname}", **french.gender_forms(feminine)}
    return Entry(_english_person(f"{title} {surname}", feminine), forms)


def _surname_slot() -> Callable[[Random], str]:
    """Surnames of a list and invented ones: a model has to learn to copy names that it never saw."""
    listed = [row[0] for row in read_rows("lexicon/surname.txt")]
    starts, ends = (column.split() for column in read_rows("lexicon/surname_parts.txt")[0])

    def draw(random: Random) -> str:
        if random.random() < SHARE_OF_INVENTED_SURNAMES:
            return random.choice(starts) + random.choice(ends)
        return random.choice(listed)

    return draw
