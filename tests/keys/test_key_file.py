"""The file of keys: what is read from it, what is refused, and the command that writes it."""

import contextlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.keys.key_file import MAX_KEYS, ROLES, Key, KeyFileError, digest, new_key, read_keys, table_of
from tests.e2e.processes import ROOT

SHA = "0f" * 32


def keys_command(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "server.keys", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def written(path: Path, text: str) -> Path:
    file = path / "keys.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_a_key_has_256_random_bits_and_a_prefix_that_scanners_know() -> None:
    keys = {new_key() for _ in range(100)}
    assert len(keys) == 100
    assert all(re.fullmatch(r"s2s_[A-Za-z0-9_-]{43}", key) for key in keys)


def test_a_file_without_keys_lets_nobody_in(tmp_path: Path) -> None:
    assert read_keys(written(tmp_path, "# none yet\n")) == ()


_limits = st.none() | st.integers(1, 10**12)


@given(
    st.from_regex(r"[a-z0-9][a-z0-9_-]{0,62}", fullmatch=True),
    st.binary(min_size=32, max_size=32),
    st.frozensets(st.sampled_from(list(ROLES)), min_size=1),
    _limits,
    _limits,
    _limits,
)
@settings(max_examples=50)
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory,
    name: str,
    sha256: bytes,
    roles: frozenset[str],
    calls: int | None,
    rate: int | None,
    burst: int | None,
) -> None:
    key = Key(
        name=name,
        sha256=sha256,
        roles=roles,
        max_calls=calls,
        source_tokens_per_second=rate,
        burst_source_tokens=burst if rate else None,
    )
    file = tmp_path_factory.getbasetemp() / "round.toml"
    file.write_text(table_of(key), encoding="utf-8")
    assert read_keys(file) == (key,)


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ("[web", "Expected"),
        ('[web]\nsha256 = "', "Unterminated string"),
        ("web = 3", "web: a table expected, as in [web]"),
        ("[web]", "web: sha256: 64 of 0-9 and a-f expected"),
        ('[web]\nroles = ["read"]', "web: sha256: 64 of 0-9 and a-f expected"),
        ('[web]\nsha256 = "0F"\nroles = ["read"]', "web: sha256: 64 of 0-9 and a-f expected"),
        (f'[web]\nsha256 = "{SHA.upper()}"\nroles = ["read"]', "web: sha256: 64 of 0-9 and a-f expected"),
        ('[web]\nsha256 = 7\nroles = ["read"]', "web: sha256: 64 of 0-9 and a-f expected"),
        (f'[web]\nsha256 = "{SHA}"', "web: roles: a list of translate, score, read, watch, admin expected, got None"),
        (
            f'[web]\nsha256 = "{SHA}"\nroles = []',
            "web: roles: a list of translate, score, read, watch, admin expected, got []",
        ),
        (f'[web]\nsha256 = "{SHA}"\nroles = "read"', "web: roles: a list of"),
        (f'[web]\nsha256 = "{SHA}"\nroles = ["reads"]', "expected, got ['reads']"),
        (f'[web]\nsha256 = "{SHA}"\nroles = ["read", 3]', "expected, got ['read', 3]"),
        (f'[web]\nsha256 = "{SHA}"\nroles = ["read"]\nmax_call = 3', "web: max_call: no such field; there are sha256"),
        (f'[web]\nsha256 = "{SHA}"\nroles = ["read"]\nmax_calls = 0', "max_calls: a whole number from 1 to"),
        (f'[web]\nsha256 = "{SHA}"\nroles = ["read"]\nmax_calls = true', "max_calls: a whole number from 1 to"),
        (f'[web]\nsha256 = "{SHA}"\nroles = ["read"]\nmax_calls = 1.5', "expected, got 1.5"),
        (
            f'[web]\nsha256 = "{SHA}"\nroles = ["read"]\nsource_tokens_per_second = nan',
            "source_tokens_per_second: a whole number from 1 to 1000000000000 expected, got nan",
        ),
        (
            f'[web]\nsha256 = "{SHA}"\nroles = ["read"]\nburst_source_tokens = 5',
            "burst_source_tokens: source_tokens_per_second expected as well",
        ),
        (f'[Web]\nsha256 = "{SHA}"\nroles = ["read"]', "'Web': 1 to 63 of a-z, 0-9, _ and - expected"),
        (f'["a b"]\nsha256 = "{SHA}"\nroles = ["read"]', "'a b': 1 to 63 of"),
        (f'["{"a" * 64}"]\nsha256 = "{SHA}"\nroles = ["read"]', "1 to 63 of"),
        (
            f'[a]\nsha256 = "{SHA}"\nroles = ["read"]\n[b]\nsha256 = "{SHA}"\nroles = ["admin"]',
            "b: sha256: another one than that of a expected",
        ),
        (f'[a]\nsha256 = "{SHA}"\nroles = ["read"]\n[a]\nsha256 = "{"1" * 64}"\nroles = ["read"]', "a"),
    ],
)
def test_a_wrong_file_is_refused_with_what_is_wrong(tmp_path: Path, table: str, problem: str) -> None:
    file = written(tmp_path, table)
    with pytest.raises(KeyFileError, match=re.escape(problem)) as raised:
        read_keys(file)
    assert str(file) in str(raised.value)


def test_a_key_in_the_place_of_its_digest_is_not_shown(tmp_path: Path) -> None:
    key = new_key()
    with pytest.raises(KeyFileError) as raised:
        read_keys(written(tmp_path, f'[web]\nsha256 = "{key}"\nroles = ["read"]'))
    assert key not in str(raised.value)


def test_all_problems_are_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError) as raised:
        read_keys(written(tmp_path, '[a]\nroles = ["x"]\n[b]\nmax_calls = 0\n'))
    assert len(str(raised.value).splitlines()) == 5


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "keys.toml"
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(KeyFileError, match=re.escape(str(file))):
        read_keys(file)


def test_more_keys_than_a_server_has_series_for_are_refused(tmp_path: Path) -> None:
    def table(number: int) -> str:
        return table_of(Key(name=f"k{number}", sha256=digest(str(number)), roles=frozenset(["read"])))

    most = "".join(map(table, range(MAX_KEYS)))
    assert len(read_keys(written(tmp_path, most))) == MAX_KEYS
    with pytest.raises(KeyFileError, match=f"at most {MAX_KEYS} keys expected, got {MAX_KEYS + 1}"):
        read_keys(written(tmp_path, most + table(MAX_KEYS)))


def test_a_made_key_is_printed_once_and_the_file_has_its_digest_alone(tmp_path: Path) -> None:
    file = tmp_path / "keys.toml"
    limits = ["--max-calls=3", "--source-tokens-per-second=50", "--burst-source-tokens=900"]
    made = keys_command("add", "web", "--file", file, "--roles", "translate,read", *limits)
    assert made.returncode == 0, made.stderr
    key = made.stdout.removesuffix("\n")
    assert read_keys(file) == (
        Key(
            name="web",
            sha256=digest(key),
            roles=frozenset(["translate", "read"]),
            max_calls=3,
            source_tokens_per_second=50,
            burst_source_tokens=900,
        ),
    )
    assert key not in file.read_text()
    file.write_text("# ours\n" + file.read_text())
    file.chmod(0o640)
    assert keys_command("add", "night", "--file", file).returncode == 0
    assert file.read_text().startswith("# ours\n")
    assert file.stat().st_mode & 0o777 == 0o640
    shown = keys_command("list", "--file", file)
    assert shown.stdout == (
        "web: translate, read; 3 calls, 50 source tokens a second, 900 at once\n"
        "night: translate, score, read; no limits\n"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["keys.toml"]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["add", "web"], "there is a key web already"),
        (["add", "Web"], "'Web': 1 to 63 of a-z"),
        (["add", 'a"]\n[b'], "1 to 63 of a-z"),
        (["add", "other", "--roles", "reader"], "got ['reader']"),
        (["add", "other", "--roles", ""], "expected, got ['']"),
        (["add", "other", "--max-calls", "0"], "max_calls: a whole number from 1 to"),
        (["add", "other", "--burst-source-tokens", "9"], "source_tokens_per_second expected as well"),
    ],
)
def test_a_key_that_no_server_could_use_is_not_made(tmp_path: Path, arguments: list[str], problem: str) -> None:
    before = table_of(Key(name="web", sha256=bytes.fromhex(SHA), roles=frozenset(["read"])))
    file = written(tmp_path, before)
    made = keys_command(*arguments, "--file", file)
    assert (made.returncode, made.stdout) == (1, "")
    assert problem in made.stderr
    assert file.read_text() == before
    assert [path.name for path in tmp_path.iterdir()] == ["keys.toml"]


def test_a_link_to_the_file_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "keys.toml"
    link.symlink_to(tmp_path / "elsewhere/keys.toml")
    for name in ("a", "b"):
        assert keys_command("add", name, "--file", link).returncode == 0
    assert link.is_symlink()
    assert [key.name for key in read_keys(link)] == ["a", "b"]


def test_listing_a_file_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    shown = keys_command("list", "--file", tmp_path / "none.toml")
    assert (shown.returncode, shown.stdout) == (1, "")
    assert shown.stderr.startswith("error: ")
    assert shown.stderr.count("\n") == 1


@given(st.text(max_size=200))
@settings(max_examples=50)
def test_whatever_is_in_the_file_is_keys_or_a_problem(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    file = tmp_path_factory.getbasetemp() / "any.toml"
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    with contextlib.suppress(KeyFileError):
        read_keys(file)


def test_a_key_is_written_to_a_new_file_that_only_its_owner_can_read(tmp_path: Path) -> None:
    file, out = tmp_path / "keys.toml", tmp_path / "web.key"
    made = keys_command("add", "web", "--file", file, "--out", out)
    assert (made.returncode, made.stdout, made.stderr) == (0, "", "")
    key = out.read_text().removesuffix("\n")
    assert [one.sha256 for one in read_keys(file)] == [digest(key)]
    assert out.stat().st_mode & 0o777 == 0o600


def test_a_file_with_a_key_is_not_overwritten_and_one_for_a_key_that_is_not_made_does_not_stay(tmp_path: Path) -> None:
    file, out = tmp_path / "keys.toml", tmp_path / "web.key"
    keys_command("add", "web", "--file", file, "--out", out)
    key, table = out.read_text(), file.read_text()
    for name in ("web", "other"):
        again = keys_command("add", name, "--file", file, "--out", out)
        assert again.returncode == 1
        assert again.stderr.startswith("error: ")
        assert (out.read_text(), file.read_text()) == (key, table)
    wrong = keys_command("add", "other", "--file", file, "--roles", "none", "--out", tmp_path / "other.key")
    assert wrong.returncode == 1
    nowhere = keys_command("add", "other", "--file", file, "--out", tmp_path / "no folder" / "other.key")
    assert nowhere.returncode == 1
    assert {path.name for path in tmp_path.iterdir()} == {"keys.toml", "web.key"}
    assert file.read_text() == table


@pytest.mark.skipif(os.geteuid() != 0, reason="nobody else may give files away")
def test_the_file_stays_its_owner_s(tmp_path: Path) -> None:
    file = written(tmp_path, "")
    os.chown(file, 12345, 23456)
    file.chmod(0o640)
    assert keys_command("add", "web", "--file", file).returncode == 0
    found = file.stat()
    assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (12345, 23456, 0o640)
