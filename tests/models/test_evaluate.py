import sys

import pytest

from models.data.corpora import Corpus, CorpusError
from models.evaluate import Result, TranslatorError, by_length, choose_validation, main, markdown, pipe
from models.metrics import bleu, score_all


def test_a_command_translates_line_by_line() -> None:
    shout = [sys.executable, "-c", "import sys; sys.stdout.write(sys.stdin.read().upper())"]
    assert pipe(shout, ["go.", "", "hi."]) == ["GO.", "", "HI."]


def test_a_command_that_loses_a_line_is_refused() -> None:
    lossy = [sys.executable, "-c", "print('one')"]
    with pytest.raises(TranslatorError, match="2 lines in, 1 lines out"):
        pipe(lossy, ["a", "b"])


def test_a_command_that_fails_is_reported_with_its_words() -> None:
    failing = [sys.executable, "-c", "import sys; sys.exit('no server')"]
    with pytest.raises(TranslatorError, match="exit status 1: no server"):
        pipe(failing, ["a"])


def test_a_command_that_does_not_exist_is_reported() -> None:
    with pytest.raises(TranslatorError, match="no-such-command"):
        pipe(["no-such-command"], ["a"])


def test_any_reference_may_be_matched() -> None:
    references = [["Va vite à la maison .", "Marche vite vers la maison ."], ["Le chien dort dans le jardin ."]]
    for translation in references[0]:
        assert bleu([translation, references[1][0]], references) == pytest.approx(100)


def test_case_counts_in_one_bleu_and_not_in_the_other() -> None:
    scores = score_all(["LE CHIEN DORT DANS LE JARDIN."], [["Le chien dort dans le jardin."]], "fr")
    by_metric = {score.metric: score.value for score in scores}
    assert by_metric["BLEU"] < 50
    assert by_metric["BLEU, lower-cased Moses tokens"] == pytest.approx(100)


def test_the_table_names_system_test_set_and_signature() -> None:
    scores = score_all(["Le chien dort ici ."], [["Le chien dort ici ."]], "fr")
    table = markdown([Result("transformer", "tatoeba/test", scores)])
    assert "| transformer | tatoeba/test | 100.0 ±" in table
    assert "tok:13a" in table


def test_the_table_says_which_signature_is_of_which_test_set() -> None:
    one = score_all(["Le chien dort ici ."], [["Le chien dort ici ."]], "fr")
    several = score_all(["Va !", "Le chien dort ici ."], [["Va !", "Marche !"], ["Le chien dort ici ."]], "fr")
    table = markdown([Result("transformer", "multi30k/test", one), Result("transformer", "tatoeba/test", several)])
    signatures = [line for line in table.splitlines() if line.startswith("- BLEU:")]
    assert [("nrefs:1" in line, "multi30k/test" in line) for line in signatures] == [(True, True), (False, False)]
    assert "nrefs:var" in signatures[1]
    assert "tatoeba/test" in signatures[1]


def test_a_beam_of_none_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["evaluate", "--beam-size", "0", "a=cat"])
    with pytest.raises(SystemExit):
        main()
    assert "--beam-size: at least 1 expected, got 0" in capsys.readouterr().err


def test_two_systems_of_one_name_are_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["evaluate", "a=cat", "a=tac"])
    with pytest.raises(SystemExit):
        main()
    assert "systems: names that differ expected, got a, a" in capsys.readouterr().err


def test_sources_are_grouped_by_their_number_of_words_within_a_corpus() -> None:
    def corpus(*lengths: int) -> Corpus:
        sources = [" ".join(["word"] * length) for length in lengths]
        return Corpus(sources, [f"to {source}" for source in sources], [[f"to {source}"] for source in sources])

    groups = by_length({"a/test_1": corpus(1, 8, 9), "a/test_2": corpus(21, 12), "b/test": corpus(20, 17)})
    assert {name: [len(source.split()) for source in group.sources] for name, group in groups.items()} == {
        "a, up to 8 words": [1, 8],
        "a, 9 to 12": [9, 12],
        "a, more than 20": [21],
        "b, 17 to 20": [20, 17],
    }
    for group in groups.values():
        assert group.targets == [f"to {source}" for source in group.sources]
        assert group.references == [[target] for target in group.targets]


def test_validation_sets_have_the_names_that_training_records() -> None:
    sets = {name: Corpus([name], [name], [[name]]) for name in ("tatoeba", "prose")}
    assert choose_validation(sets, None) == sets
    assert choose_validation(sets, ["prose"]) == {"prose": sets["prose"]}
    with pytest.raises(CorpusError, match="one of tatoeba, prose expected, got 'test'"):
        choose_validation(sets, ["test"])
