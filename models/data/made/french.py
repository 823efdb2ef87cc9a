"""French word forms: elision, contraction, articles, plurals, numbers."""

import re

FILLED = "\x01"
"""Stands before what filled a slot, until `join` has fitted the words before it."""

# Words whose h is aspirated, or whose first vowel is spoken like a consonant: nothing is elided before them.
_NO_ELISION = re.compile(
    r"hall|hamburger|hamster|hanche|handball|haricot|harpe|haut|héros|hibou|hockey|homard|honte|huit|hérisson"
    r"|H(?!annah|élène|enri|elsinki)|onze|onzième|oui|ouistiti|yaourt"
)
_VOWEL = re.compile(r"[aàâæeéèêëiîïoôœuùûühAÀÂÆEÉÈÊËIÎÏOÔŒUÙÛÜH]")
_ELIDED = re.compile(rf"\b([Dd]e|[Qq]ue|[Jj]usque|[Ll]orsque|[Pp]uisque) {FILLED}(?=(\w[\w ]*))")
_CONTRACTED = re.compile(rf"\b([Dd]e|[Àà]) {FILLED}([Ll]es?) ")
_CONTRACTIONS = {"de le": "du", "de les": "des", "à le": "au", "à les": "aux"}
_SI_IL = re.compile(rf"\b([Ss])i {FILLED}(?=ils?\b)")

_UNITS = [
    *("zéro", "un", "deux", "trois", "quatre", "cinq", "six", "sept", "huit", "neuf", "dix", "onze", "douze"),
    *("treize", "quatorze", "quinze", "seize", "dix-sept", "dix-huit", "dix-neuf"),
]
_TENS = {2: "vingt", 3: "trente", 4: "quarante", 5: "cinquante", 6: "soixante", 8: "quatre-vingt"}


def elides(word: str) -> bool:
    """Whether `le`, `de`, `que` lose their vowel before the word. Nearly all names with H are taken as aspirated."""
    return bool(_VOWEL.match(word)) and not _NO_ELISION.match(word)


def join(text: str) -> str:
    """Fit the words before each filled slot to it (d'Anna, du Japon, aux États-Unis, s'il) and drop the marks."""

    def contracted(match: re.Match[str]) -> str:
        first = match[1]
        word = _CONTRACTIONS[f"{first.lower()} {match[2].lower()}"]
        return (word.capitalize() if first[0].isupper() else word) + " "

    def elided(match: re.Match[str]) -> str:
        return f"{match[1][:-1]}'" if elides(match[2]) else f"{match[1]} "

    text = _CONTRACTED.sub(contracted, text)
    text = _SI_IL.sub(r"\1'", _ELIDED.sub(elided, text))
    return text.replace(FILLED, "")


def plural(word: str) -> str:
    """The regular plural of a noun; of a phrase, of its first word."""
    head, space, rest = word.partition(" ")
    if head.endswith(("s", "x", "z")):
        pass
    elif head.endswith(("eau", "eu")):
        head += "x"
    elif head.endswith("al"):
        head = head[:-1] + "ux"
    else:
        head += "s"
    return head + space + rest


def noun_forms(word: str, many: str, feminine: bool) -> dict[str, str]:
    """All forms of a noun by the name that frames use for them: `le` is it with its definite article, and so on."""
    short = elides(word)
    article = "la" if feminine else "le"
    the = f"l'{word}" if short else f"{article} {word}"
    return {
        "": word,
        "pl": many,
        "le": the,
        "les": f"les {many}",
        "des": f"des {many}",
        "un": f"{'une' if feminine else 'un'} {word}",
        "du": f"de {the}" if short or feminine else f"du {word}",
        "au": f"à {the}" if short or feminine else f"au {word}",
        "de": f"d'{word}" if short else f"de {word}",
        "mon": f"{'ma' if feminine and not short else 'mon'} {word}",
        "ton": f"{'ta' if feminine and not short else 'ton'} {word}",
        "son": f"{'sa' if feminine and not short else 'son'} {word}",
        "ce": f"{'cette' if feminine else 'cet' if short else 'ce'} {word}",
        "quel": f"{'quelle' if feminine else 'quel'} {word}",
        "aucun": f"{'aucune' if feminine else 'aucun'} {word}",
        "autre": f"{'une' if feminine else 'un'} autre {word}",
        "art": article,
        **gender_forms(feminine),
    }


def gender_forms(feminine: bool) -> dict[str, str]:
    """The words and endings that agree with a person's or a noun's gender; `g` is the gender itself."""
    return {
        "g": "f" if feminine else "m",
        "e": "e" if feminine else "",
        "il": "elle" if feminine else "il",
        "lui": "elle" if feminine else "lui",
        "lo": "la" if feminine else "le",
        "cher": "chère" if feminine else "cher",
        "ami": "amie" if feminine else "ami",
        "ne": "ne" if feminine else "",
        "eux": "euse" if feminine else "eux",
        "neuf": "neuve" if feminine else "neuf",
    }


def number_word(number: int) -> str:
    """A number from 0 to 100 in words, as written before a masculine noun."""
    if number < 20:
        return _UNITS[number]
    if number == 100:
        return "cent"
    ten, unit = divmod(number, 10)
    if ten in (7, 9):
        ten, unit = ten - 1, unit + 10
    if ten == 8 and unit == 0:
        return "quatre-vingts"
    if unit == 0:
        return _TENS[ten]
    link = " et " if unit in (1, 11) and ten != 8 else "-"
    return f"{_TENS[ten]}{link}{_UNITS[unit]}"


def figures(text: str) -> str:
    """A number in figures from English to French writing: 1,250.50 becomes 1 250,50."""
    return text.replace(",", " ").replace(".", ",")
