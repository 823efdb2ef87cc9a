"""Numbers, dates, times and prices in both languages.

Kinds and their forms:

- `number` (2 to 9,999 in figures), `few` (2 to 12), `word` (2 to 100 in words), `big`, `decimal`, `percent`, `age`;
- `price` ($25, €3.50, £10), `minutes` (a multiple of five), `year`, `room` (a room, page or line: no separator);
- `ordinal` (first to tenth): French `m`, `f`;
- `time` (10:30 a.m., noon, half past two): used after `at` and `à`;
- `date` (March 3rd, 3 March 2021): French with its article; `fulldate` has a year; `weekday`, `month`;
- `phone`, `code` (letters and figures), `numericdate` (10/12/2021): the same on both sides.
"""

import string
from random import Random

from models.data.made import english, french
from models.data.made.frames import Entry, Slot

MONTHS = {
    "January": "janvier",
    "February": "février",
    "March": "mars",
    "April": "avril",
    "May": "mai",
    "June": "juin",
    "July": "juillet",
    "August": "août",
    "September": "septembre",
    "October": "octobre",
    "November": "novembre",
    "December": "décembre",
}
WEEKDAYS = {
    "Monday": "lundi",
    "Tuesday": "mardi",
    "Wednesday": "mercredi",
    "Thursday": "jeudi",
    "Friday": "vendredi",
    "Saturday": "samedi",
    "Sunday": "dimanche",
}
ORDINALS = {
    "first": ("premier", "première"),
    "second": ("deuxième", "deuxième"),
    "third": ("troisième", "troisième"),
    "fourth": ("quatrième", "quatrième"),
    "fifth": ("cinquième", "cinquième"),
    "sixth": ("sixième", "sixième"),
    "seventh": ("septième", "septième"),
    "eighth": ("huitième", "huitième"),
    "ninth": ("neuvième", "neuvième"),
    "tenth": ("dixième", "dixième"),
}
CURRENCIES = ("$", "€", "£")


def numeral_slots() -> dict[str, Slot]:
    """Kind -> what draws an entry."""
    return {
        "age": lambda random: _same(str(random.randint(2, 99))),
        "big": _big,
        "code": _code,
        "date": lambda random: _date(random, with_year=random.random() < 0.4),
        "decimal": lambda random: _figures(f"{random.randint(2, 99)}.{random.randint(1, 9)}"),
        "few": lambda random: _same(str(random.randint(2, 12))),
        "fulldate": lambda random: _date(random, with_year=True),
        "minutes": lambda random: _same(str(5 * random.randint(1, 12))),
        "month": _month,
        "number": lambda random: _figures(f"{random.randint(2, 10 ** random.randint(1, 4) - 1):,}"),
        "numericdate": _numeric_date,
        "ordinal": _ordinal,
        "percent": _percent,
        "phone": _phone,
        "price": _price,
        "room": lambda random: _same(str(random.randint(1, 10 ** random.randint(1, 3)))),
        "time": _time,
        "weekday": lambda random: _of(random, WEEKDAYS),
        "word": _word,
        "year": lambda random: _same(str(random.randint(1700, 2060))),
    }


def _same(text: str) -> Entry:
    return Entry({"": text}, {"": text})


def _figures(text: str) -> Entry:
    return Entry({"": text}, {"": french.figures(text)})


def _of(random: Random, words: dict[str, str]) -> Entry:
    word = random.choice(list(words))
    return Entry({"": word}, {"": words[word]})


def _month(random: Random) -> Entry:
    entry = _of(random, MONTHS)
    month = entry.french[""]
    return Entry(entry.english, {"": month, "de": f"d'{month}" if french.elides(month) else f"de {month}"})


def _word(random: Random) -> Entry:
    number = random.choice([random.randint(2, 12), random.randint(2, 20), random.randint(2, 100)])
    if number % 10 == 1 and number not in (11, 71, 91):
        number += 1  # un would have to agree with what is counted
    return Entry({"": english.number_word(number)}, {"": french.number_word(number)})


def _big(random: Random) -> Entry:
    return _figures(f"{random.randint(1_000, 10 ** random.randint(4, 7)):,}")


def _percent(random: Random) -> Entry:
    number = random.choice([str(random.randint(1, 100)), f"{random.randint(0, 99)}.{random.randint(1, 9)}"])
    return Entry({"": f"{number}%"}, {"": f"{french.figures(number)} %"})


def _price(random: Random) -> Entry:
    whole = f"{random.randint(1, 10 ** random.randint(1, 4) + 5):,}"
    cents = f".{random.randint(1, 99):02}"
    amount = random.choice([whole, whole, whole + cents, f"{whole}.50", f"{whole}.99", f"0{cents}"])
    currency = random.choice(CURRENCIES)
    return Entry({"": f"{currency}{amount}"}, {"": f"{french.figures(amount)} {currency}"})


def _ordinal(random: Random) -> Entry:
    word = random.choice(list(ORDINALS))
    masculine, feminine = ORDINALS[word]
    return Entry({"": word}, {"": masculine, "m": masculine, "f": feminine})


def _time(random: Random) -> Entry:
    """A time of day, in one of the ways in which people say it. After noon, figures count to 24 in French."""
    hour, minute = random.randint(1, 11), 5 * random.randint(0, 11)
    style = random.choice(["12-hour", "12-hour", "12-hour", "24-hour", "o'clock", "words"])
    if style == "12-hour":
        hour = random.randint(1, 12)
        half, later = random.choice([("a.m.", 0), ("p.m.", 12), ("am", 0), ("pm", 12)])
        clock = f"{hour}:{minute:02}" if minute else str(hour)
        return Entry({"": f"{clock} {half}"}, {"": _french_time(hour % 12 + later, minute)})
    if style == "24-hour":
        hour = random.randint(1, 23)
        return Entry({"": f"{hour}:{minute:02}"}, {"": f"{hour} h {minute:02}"})
    if style == "o'clock":
        number, word = random.choice([(str(hour), str(hour)), (english.number_word(hour), french.number_word(hour))])
        return Entry({"": f"{number} o'clock"}, {"": _hours(word, hour)})
    return _time_in_words(hour, random)


def _french_time(hour: int, minute: int) -> str:
    return f"{hour} h {minute:02}" if minute else f"{hour} h"


def _hours(word: str, hour: int) -> str:
    return f"{'une' if word == 'un' else word} heure{'s' if hour > 1 else ''}"


def _time_in_words(hour: int, random: Random) -> Entry:
    said, spoken = english.number_word(hour), _hours(french.number_word(hour), hour)
    times = [
        (f"half past {said}", f"{spoken} et demie"),
        (f"a quarter past {said}", f"{spoken} et quart"),
        (f"a quarter to {said}", f"{spoken} moins le quart"),
        (f"quarter past {said}", f"{spoken} et quart"),
        (f"ten past {said}", f"{spoken} dix"),
        (f"twenty past {said}", f"{spoken} vingt"),
        (f"ten to {said}", f"{spoken} moins dix"),
        ("noon", "midi"),
        ("midnight", "minuit"),
    ]
    said, spoken = random.choice(times)
    return Entry({"": said}, {"": spoken})


def _date(random: Random, with_year: bool) -> Entry:
    day, year = random.randint(1, 28), random.randint(1890, 2060)
    month = random.choice(list(MONTHS))
    weekday = random.choice(list(WEEKDAYS)) if random.random() < 0.25 else ""
    before = random.choice([f"{month} {day}", f"{month} {english.ordinal(day)}"])
    said = f"{before}, {year}" if with_year else before
    if random.random() < 0.3:
        said = f"{day} {month} {year}" if with_year else f"{day} {month}"
    if weekday:
        said = f"{weekday}, {said}"
    day_name = f"{WEEKDAYS[weekday]} " if weekday else ""
    spoken = f"{day_name}{'1er' if day == 1 else day} {MONTHS[month]}{f' {year}' if with_year else ''}"
    return Entry({"": said}, {"": f"le {spoken}", "bare": spoken})


def _numeric_date(random: Random) -> Entry:
    day, month, year = random.randint(1, 28), random.randint(1, 12), random.randint(1950, 2040)
    return _same(random.choice([f"{month:02}/{day:02}/{year}", f"{day}/{month}/{year}", f"{year}-{month:02}-{day:02}"]))


def _phone(random: Random) -> Entry:
    def figures(count: int) -> str:
        return "".join(random.choices(string.digits, k=count))

    pair = " ".join(figures(2) for _ in range(4))
    return _same(
        random.choice(
            [
                f"555-{figures(4)}",
                f"({figures(3)}) 555-{figures(4)}",
                f"0{random.randint(1, 9)} {pair}",
                f"+33 {random.randint(1, 9)} {pair}",
                f"+1 {figures(3)}-555-{figures(4)}",
            ]
        )
    )


def _code(random: Random) -> Entry:
    letters = "".join(random.choices(string.ascii_uppercase, k=random.randint(1, 3)))
    return _same(f"{letters}{random.choice(['', '-', ' '])}{random.randint(1, 10 ** random.randint(2, 5))}")
