"""English word forms: articles, plurals, possessives, numbers."""

import re

_UNITS = [
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
]
_TENS = ["", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_CONSONANT_SOUND = re.compile(r"(?:uni|use|euro|one)", re.IGNORECASE)


def with_article(word: str) -> str:
    """The word after a or an, by its sound: an apple, an hour, a university."""
    vowel = word[0].lower() in "aeiou" and not _CONSONANT_SOUND.match(word)
    return f"{'an' if vowel or word.startswith(('hour', 'honest')) else 'a'} {word}"


def plural(word: str) -> str:
    """The regular plural of a noun."""
    if word.endswith(("s", "x", "ch", "sh")):
        return f"{word}es"
    if word.endswith("y") and word[-2] not in "aeiou":
        return f"{word[:-1]}ies"
    return f"{word}s"


def possessive(name: str) -> str:
    return f"{name}'s"


def number_word(number: int) -> str:
    """A number from 0 to 100 in words."""
    if number < 20:
        return _UNITS[number]
    if number == 100:
        return "one hundred"
    ten, unit = divmod(number, 10)
    return f"{_TENS[ten]}-{_UNITS[unit]}" if unit else _TENS[ten]


def ordinal(number: int) -> str:
    """A number in figures with its ending: 1st, 12th, 23rd."""
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"
