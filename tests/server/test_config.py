import dataclasses
import re
from pathlib import Path
from typing import Any, cast

import pytest

from server.config import ServerConfig, parse_config


def test_without_flags_and_variables_every_setting_has_its_default() -> None:
    assert parse_config([], {}) == ServerConfig()


def test_the_documented_settings_are_those_that_there_are() -> None:
    page = Path("docs/operations.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `--(\S+)` \| `(SEQ2SERVE_\S+)` \| (.+?) \|", page, re.MULTILINE)
    switches = {"true": True, "false": False}
    settings = {name.replace("-", "_"): "" if default == "none" else default for name, _, default in rows}
    shown = {name: str(value[0] if isinstance(value, tuple) else value) for name, value in vars(ServerConfig()).items()}
    assert {name: str(switches.get(value, value)) for name, value in settings.items()} == shown
    assert all(variable == f"SEQ2SERVE_{name.replace('-', '_').upper()}" for name, variable, _ in rows)


def test_every_setting_is_a_flag() -> None:
    expected = ServerConfig(
        listen="[::]:1",
        metrics_listen="[::]:2",
        health_listen="[::]:3",
        model_repository=(Path("elsewhere"),),
        default_model="rnn-en-fr",
        max_rows=3,
        max_waiting=4,
        max_joining_tokens=5,
        max_contents=6,
        max_content_characters=7,
        engines="2,rnn-en-fr=1",
        threads=8,
        grace_seconds=9,
        tls_certificate="server.pem",
        tls_key="server.key",
        tls_client_authorities="clients.pem",
        keys="keys.toml",
        insecure_listen=True,
        reflection=True,
    )
    values = vars(expected) | {"model_repository": "elsewhere"}
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in values.items()]
    assert parse_config(flags, {}, num_cores=16) == expected


NAMES_OF_THEIR_OWN = ("tls_certificate", "tls_key", "tls_client_authorities", "log_format")
"""Settings that do not take any value by itself."""


def named(*kinds: type) -> list[str]:
    """Settings of these kinds that stand alone."""
    return [
        name for name, value in vars(ServerConfig()).items() if type(value) in kinds and name not in NAMES_OF_THEIR_OWN
    ]


@pytest.mark.parametrize("name", named(int, str))
def test_every_setting_is_a_variable_whose_value_is_converted(name: str) -> None:
    kind = type(getattr(ServerConfig(), name))
    config = parse_config([], {f"SEQ2SERVE_{name.upper()}": "17"}, num_cores=17)
    assert getattr(config, name) == kind("17")
    assert dataclasses.replace(config, **{name: getattr(ServerConfig(), name)}) == ServerConfig()


@pytest.mark.parametrize("name", named(bool))
@pytest.mark.parametrize(
    ("flags", "variable", "expected"),
    [
        ([], None, False),
        ([], "true", True),
        ([], "True", True),
        ([], "1", True),
        ([], "false", False),
        ([], "0", False),
        ([""], None, True),
        (["=true"], None, True),
        (["=false"], "true", False),
        ([""], "false", True),
    ],
)
def test_a_switch_is_a_flag_alone_or_with_a_value_or_a_variable(
    name: str, flags: list[str], variable: str | None, expected: bool
) -> None:
    environment = {} if variable is None else {f"SEQ2SERVE_{name.upper()}": variable}
    config = parse_config([f"--{name.replace('_', '-')}{flag}" for flag in flags], environment)
    assert config == ServerConfig(**cast(Any, {name: expected}))


def test_the_files_of_tls_are_variables() -> None:
    values = {"tls_certificate": "a", "tls_key": "b", "tls_client_authorities": "c"}
    environment = {f"SEQ2SERVE_{name.upper()}": value for name, value in values.items()}
    assert parse_config([], environment) == ServerConfig(tls_certificate="a", tls_key="b", tls_client_authorities="c")


@pytest.mark.parametrize(
    ("arguments", "variable", "expected"),
    [
        (["--model-repository", "a", "--model-repository=b/c"], None, ["a", "b/c"]),
        (["--model-repository=b", "--max-rows=3", "--model-repository=a"], "c", ["b", "a"]),
        (["--model-repository", "a:b"], None, ["a:b"]),
        ([], "a", ["a"]),
        ([], "a:/b/c:d e", ["a", "/b/c", "d e"]),
        ([], ":a::b:", ["a", "b"]),
        ([], None, ["model_repository"]),
    ],
)
def test_model_repositories_are_a_flag_each_or_a_list_in_the_variable(
    arguments: list[str], variable: str | None, expected: list[str]
) -> None:
    environment = {} if variable is None else {"SEQ2SERVE_MODEL_REPOSITORY": variable}
    assert parse_config(arguments, environment).model_repository == tuple(map(Path, expected))


def test_the_first_default_model_is_the_default_and_the_others_follow_in_their_order() -> None:
    assert parse_config(["--default-model=b"], {}).default_models == ("b",)
    assert parse_config(["--default-model=b, a,c"], {}).default_models == ("b", "a", "c")


def test_a_flag_wins_over_a_variable() -> None:
    assert parse_config(["--max-rows", "3"], {"SEQ2SERVE_MAX_ROWS": "17"}).max_rows == 3


def test_metrics_can_be_switched_off() -> None:
    assert parse_config([], {"SEQ2SERVE_METRICS_LISTEN": ""}).metrics_listen == ""


@pytest.mark.parametrize(
    ("arguments", "environment", "message"),
    [
        (["--max-rows", "0"], {}, "max_rows: at least 1 expected, got 0"),
        ([], {"SEQ2SERVE_THREADS": "-2"}, "threads: at least 1 expected, got -2"),
        (["--grace-seconds", "soon"], {}, "--grace-seconds: invalid int value: 'soon'"),
        ([], {"SEQ2SERVE_MAX_WAITING": "many"}, "--max-waiting: invalid int value: 'many'"),
        (["--max-row", "3"], {}, "unrecognized arguments: --max-row"),
        (["--threads", "8"], {}, "threads: at most 4 expected, the cores of this machine, got 8"),
        (["--engines=5"], {}, "engines: at most 4 expected (4 cores, 1 threads each), got 5"),
        (["--engines=1,m=3", "--threads=2"], {}, "engines: at most 2 expected (4 cores, 2 threads each), got m=3"),
        ([], {"SEQ2SERVE_ENGINES": "m=0"}, "engines: at least 1 expected, got 'm=0'"),
        (["--engines=m=1,m=2"], {}, "engines: a number, or <model>=<number> with commas between, expected, got 'm=2'"),
        (["--engines=2,"], {}, "engines: a number, or <model>=<number> with commas between, expected, got ''"),
        (["--engines==2"], {}, "engines: a number, or <model>=<number> with commas between, expected, got '=2'"),
        (["--engines=m=many"], {}, "expected, got 'm=many'"),
        (["--model-repository="], {}, "--model-repository: a folder expected, got ''"),
        ([], {"SEQ2SERVE_MODEL_REPOSITORY": ":"}, "model_repository: at least one folder expected, got none"),
        ([], {"SEQ2SERVE_MODEL_REPOSITORY": ""}, "model_repository: at least one folder expected, got none"),
        (["--tls-key=a"], {}, "tls_certificate and tls_key: both expected, or neither"),
        ([], {"SEQ2SERVE_TLS_CERTIFICATE": "a"}, "tls_certificate and tls_key: both expected, or neither"),
        (["--tls-client-authorities=a"], {}, "tls_client_authorities: tls_certificate and tls_key expected as well"),
        (["--reflection=maybe"], {}, "--reflection: true or false expected, got 'maybe'"),
        ([], {"SEQ2SERVE_INSECURE_LISTEN": ""}, "--insecure-listen: true or false expected, got ''"),
        (["--default-model=a,"], {}, "default_model: names with commas between expected, got 'a,'"),
        ([], {"SEQ2SERVE_DEFAULT_MODEL": ""}, "default_model: names with commas between expected, got ''"),
    ],
)
def test_a_bad_setting_ends_the_process_with_its_name_and_value(
    arguments: list[str], environment: dict[str, str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as raised:
        parse_config(arguments, environment, num_cores=4)
    assert raised.value.code == 2
    assert message in capsys.readouterr().err


def test_the_help_names_every_flag_its_variable_and_its_default(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        parse_config(["--help"], {})
    assert raised.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    for field in dataclasses.fields(ServerConfig):
        assert f"--{field.name.replace('_', '-')} " in text
        default = "model_repository" if field.name == "model_repository" else field.default
        assert f"(SEQ2SERVE_{field.name.upper()}; default: {default})" in text


@pytest.mark.parametrize(
    ("engines", "expected"),
    [("3", (3, 3)), ("m=2", (2, 1)), ("3,m=1", (1, 3)), ("m=1, n=2", (1, 2)), ("1,m=4", (4, 1))],
)
def test_engines_are_set_for_all_models_or_by_name(engines: str, expected: tuple[int, int]) -> None:
    config = parse_config([f"--engines={engines}"], {}, num_cores=4)
    assert (config.num_engines("m"), config.num_engines("n")) == expected
