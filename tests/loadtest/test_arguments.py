import pytest

from loadtest.arguments import parse_arguments


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SEQ2SERVE_MODEL_REPOSITORY", "SEQ2SERVE_DEFAULT_MODEL"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--address=:1", "--model-repository=x"], "--address: a server that runs already serves what it serves"),
        (["--tls"], "--address: expected beside --metrics, --tls"),
        (["--metrics=:1"], "--address: expected beside --metrics"),
        (["--rate=0"], "more than 0 expected, got 0"),
        (["--rate=nan"], "more than 0 expected, got nan"),
        (["--rate=x"], "--rate: invalid"),
        (["--users=-1"], "at least 1 expected, got -1"),
        (["--rate=1", "--users=1"], "not allowed with argument"),
        (["--soak=1", "--users=1"], "not allowed with argument"),
        (["--decoding={}"], "NAME=JSON expected"),
        (['--decoding=a={"beam": 4}'], "a: "),
        (["--decoding=a=4"], "a: "),
        (["--workload=novels"], "invalid choice"),
    ],
)
def test_wrong_arguments_are_told(arguments: list[str], problem: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse_arguments(arguments)
    assert problem in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "look_for", "compares_shipped"),
    [
        ([], "knees", True),
        (["--quick"], "knees", True),
        (["--model=a"], "knees", False),
        (["--address=:1"], "knees", False),
        (["--default-model=a"], "knees", False),
        (["--model-repository=x"], "knees", False),
        (["--rate=3"], "given load", False),
        (["--users=3"], "given load", False),
        (["--soak=3"], "lost memory", False),
    ],
)
def test_what_follows_from_them(arguments: list[str], look_for: str, compares_shipped: bool) -> None:
    settled = parse_arguments(arguments)
    assert (settled.look_for, settled.compares_shipped) == (look_for, compares_shipped)


def test_a_server_with_models_of_its_own_is_not_given_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEQ2SERVE_MODEL_REPOSITORY", "mine")
    assert not parse_arguments([]).compares_shipped


def test_quick_runs_are_shorter_and_flags_win() -> None:
    full, quick = parse_arguments([]), parse_arguments(["--quick"])
    assert quick.rounds < full.rounds
    assert quick.seconds < full.seconds
    assert quick.minutes <= 4 < full.minutes
    given = parse_arguments(["--quick", "--rounds=2", "--seconds=7", "--minutes=9"])
    assert (given.rounds, given.seconds, given.most, given.minutes) == (2, 7.0, 7.0, 9.0)


def test_decoding_options_have_names() -> None:
    given = parse_arguments(["--decoding=greedy={}", '--decoding=beam 4={"beam_size": 4}'])
    assert given.decoding == [("greedy", {}), ("beam 4", {"beam_size": 4})]
