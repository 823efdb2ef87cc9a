import pytest

from export.checkpoints.languages import LanguageToken, bcp47, choose, distinct_codes


@pytest.mark.parametrize(
    ("spelled", "code"),
    [
        ("en", "en"),
        ("eng", "en"),
        ("fra", "fr"),
        ("eng_Latn", "en"),
        ("zho_Hans", "zh-Hans"),
        ("zho_Hant", "zh-Hant"),
        ("cmn_Hans", "cmn-Hans"),
        ("ace_Arab", "ace-Arab"),
        ("fr_CA", "fr-CA"),
        ("en_XX", "en"),
        ("pt_br", "pt-BR"),
        ("iw", "he"),
        ("jap", "ja"),
        ("ns", "nso"),
        ("roa", "roa"),
        ("ROMANCE", None),
        ("NORTH_EU", None),
        ("xx", None),
        ("", None),
        ("opus-mt-tc-big-en", None),
    ],
)
def test_spellings_become_bcp_47_where_they_are_languages(spelled: str, code: str | None) -> None:
    assert bcp47(spelled) == code


def test_pseudo_codes_are_no_languages() -> None:
    tokens = [LanguageToken(code, index) for index, code in enumerate(("xxx", "fra", "multi", "mul", "xx", "deu"))]
    assert list(distinct_codes(tokens, [])) == ["fr", "de"]


def test_of_two_tokens_for_one_language_the_lower_id_is_used_and_the_other_named() -> None:
    warnings: list[str] = []
    by_code = distinct_codes([LanguageToken("fra", 9), LanguageToken("fr", 5), LanguageToken("fr_CA", 7)], warnings)
    assert {code: token.id for code, token in by_code.items()} == {"fr": 5, "fr-CA": 7}
    assert warnings == ["two tokens for fr: fr is used, fra is not"]


def test_a_language_that_is_not_there_is_a_problem_that_lists_what_is() -> None:
    problems: list[str] = []
    assert choose("fra", ["fr", "de"], "target", problems) == ["fr"]
    assert choose("mul", ["fr", "de"], "target", problems) == ["fr", "de"]
    assert not problems
    assert choose("it", ["fr", "de"], "target", problems) == []
    assert problems == ["--languages: the checkpoint has no target language it, it has fr, de"]
