"""Which language codes mean which language, and how near they are to each other."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.text.language_codes import distance, opaque_language_code, parse_language_code
from tests.examples import examples


def nearest(wanted: str, *served: str) -> str | None:
    code = parse_language_code(wanted)
    distances = [(distance(code, parse_language_code(language)), language) for language in served]
    return min(((far, language) for far, language in distances if far is not None), default=(0, None))[1]


@pytest.mark.parametrize(
    ("wanted", "served"),
    [
        *(
            (code, "en")
            for code in ["en", "EN", "En", "en-US", "en_US", "EN_us", "en-Latn", "eng", "eng_Latn", "en-Latn-US"]
        ),
        *((code, "en") for code in ["en-x-ours", "en-US-u-ca-buddhist", "en-GB-oed", "en-GB-oxendict", "en-001"]),
        *((code, "en-GB") for code in ["en-gb", "en_GB", "en-UK", "en", "eng", "en-GB-scotland"]),
        *((code, "fr") for code in ["fra", "fre", "FR-ca", "fr-FR"]),
        *((code, "he") for code in ["iw", "heb", "iw-IL", "he_IL"]),
        *((code, "iw") for code in ["he", "heb"]),
        *((code, "id") for code in ["in", "ind", "id-ID"]),
        *(
            (code, "zh")
            for code in ["zh-Hans-CN", "zh-CN", "zh-TW", "zh_Hant", "zho", "chi", "cmn", "cmn-Hans", "zh-yue", "yue"]
        ),
        *((code, "zh-Hans") for code in ["zh-Hans-CN", "zh-CN", "zh-SG", "zh", "ZH-HANS", "cmn"]),
        *((code, "zh-Hant") for code in ["zh-TW", "zh-HK", "zh", "zh-hant-tw"]),
        *((code, "zh-CN") for code in ["zh-Hans-CN", "zh-Hans", "zh"]),
        *((code, "no") for code in ["nb", "nn", "nob", "nb-NO", "no-bok", "nor"]),
        *((code, "sr") for code in ["sr-Latn", "sr-Cyrl-RS", "srp", "sh"]),
        *((code, "pt-BR") for code in ["pt-br", "PT_BR", "pt", "por"]),
        *((code, "ar") for code in ["arb", "ara", "ar-EG"]),
        *((code, "ro") for code in ["mo", "rum", "ron", "ro-MD"]),
        ("nb", "nb"),
        ("no", "nb"),
        ("i-klingon", "tlh"),
        ("x-ours", "x-ours"),
    ],
)
def test_codes_of_one_language_find_each_other(wanted: str, served: str) -> None:
    assert nearest(wanted, served, "xx") == served


@pytest.mark.parametrize(
    ("wanted", "served"),
    [
        *(("en", served) for served in ["fr", "de", "enm", "zh", "x-en"]),
        *(("en-US", served) for served in ["en-GB", "en-CA", "fr-US"]),
        *(("pt-BR", served) for served in ["pt-PT"]),
        *(("zh-TW", served) for served in ["zh-Hans", "zh-CN", "zh-Hans-TW"]),
        *(("zh-CN", served) for served in ["zh-Hant"]),
        *(("sr-Latn", served) for served in ["sr-Cyrl"]),
        *(("nn", served) for served in ["nb"]),
        *(("x-ours", served) for served in ["x-theirs", "en"]),
        ("und", "en"),
        ("auto", "en"),
    ],
)
def test_codes_of_different_languages_do_not_find_each_other(wanted: str, served: str) -> None:
    assert nearest(wanted, served) is None


@pytest.mark.parametrize(
    ("wanted", "served", "found"),
    [
        ("zh-Hans-CN", ["zh", "zh-Hans"], "zh-Hans"),
        ("zh-Hans-CN", ["zh", "zh-Hans", "zh-CN"], "zh-CN"),
        ("zh-TW", ["zh-Hans", "zh", "zh-Hant"], "zh-Hant"),
        ("en-US", ["en-GB", "en"], "en"),
        ("en", ["en-GB", "en"], "en"),
        ("nb", ["no", "nb"], "nb"),
        ("nb-NO", ["no", "nb"], "nb"),
        ("zh", ["yue", "zh-Hans"], "zh-Hans"),
    ],
)
def test_the_nearest_language_is_found(wanted: str, served: list[str], found: str) -> None:
    assert nearest(wanted, *served) == nearest(wanted, *reversed(served)) == found


@pytest.mark.parametrize(
    "code",
    [
        *(
            "",
            " ",
            "english",
            "English",
            "e n",
            "!!",
            "en ",
            " en",
            "en-",
            "-en",
            "en--US",
            "e",
            "123",
            "12-en",
            "en-u",
            "x",
        ),
        *(
            "en_US.UTF-8",
            "zh_CN@pinyin",
            "en,fr",
            "en/fr",
            "*",
            "C",
            "é",
            "ｅｎ",
            "en\x00",
            "en\n",
            "español",
            "中文",
            "en-toolongsubtag",
        ),
        *("d" * 9000, "-".join(["en", *["abcde"] * 2000]), "en-US-Latn"),
    ],
)
def test_what_has_not_the_form_of_a_code_is_refused(code: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the message is the parser's
        parse_language_code(code)


def test_a_code_of_another_form_equals_itself_alone() -> None:
    ours = opaque_language_code("our english")
    assert distance(ours, opaque_language_code("our english")) == 0
    assert distance(ours, opaque_language_code("english")) is None
    assert distance(parse_language_code("en"), ours) is None


@given(
    st.lists(
        st.sampled_from(
            ["en", "zh", "sr", "Latn", "Hant", "US", "TW", "419", "1996", "x", "u", "ca", "sgn", "i", "no"]
        ),
        max_size=5,
    ).map("-".join)
)
@examples(3)
def test_any_code_is_refused_or_has_one_normal_form(code: str) -> None:
    try:
        parsed = parse_language_code(code)
    except ValueError:
        return
    for same in (code.upper(), code.lower(), code.replace("-", "_"), parsed.ranges[0]):
        assert parse_language_code(same).ranges[0] == parsed.ranges[0]
    for broader in (*parsed.ranges, *parsed.macrolanguage_ranges):
        assert broader
        assert distance(parsed, parse_language_code(broader)) is not None
