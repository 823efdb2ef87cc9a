"""`python -m seq2serve` between other programs: bytes in and out, and what goes wrong on the way."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from seq2serve.client import Client
from seq2serve.lines import LINES_PER_CALL, cut
from tests.e2e.processes import ROOT, ServerProcess, server_process
from tests.fakes import PATIENCE
from tests.small_models import SENTENCES

MAX_CHARACTERS = 400
"""Of a content."""

BOM = b"\xef\xbb\xbf"
FIRST, SECOND = (sentence.encode() for sentence in SENTENCES[:2])
Process = subprocess.Popen[bytes]


@pytest.fixture(autouse=True)
def buffers(monkeypatch: pytest.MonkeyPatch) -> None:
    """As users have it, wherever the tests run."""
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)


@pytest.fixture(scope="module")
def server(rnn_repository: Path) -> Iterator[ServerProcess]:
    with server_process(rnn_repository, **{"max-content-characters": str(MAX_CHARACTERS)}) as process:
        yield process


@pytest.fixture(scope="module")
def client(server: ServerProcess) -> Iterator[Client]:
    with Client(server.address) as client:
        yield client


@pytest.fixture(scope="module")
def french(client: Client) -> dict[bytes, bytes]:
    translations = client.translate(SENTENCES[:LINES_PER_CALL])
    pairs = zip(SENTENCES, (translation.translated_text for translation in translations), strict=False)
    return {sentence.encode(): text.encode() for sentence, text in pairs}


def command(server: ServerProcess, *arguments: str | bytes) -> list[str | bytes]:
    return [sys.executable, "-m", "seq2serve", "--server", server.address, *arguments]


def filtered(
    server: ServerProcess, data: bytes, *arguments: str | bytes, environment: Mapping[str, str] | None = None
) -> tuple[int, bytes, str]:
    """Exit code, output and errors."""
    done = subprocess.run(
        command(server, *arguments),
        cwd=ROOT,
        input=data,
        capture_output=True,
        timeout=PATIENCE,
        check=False,
        env={**os.environ, **(environment or {})},
    )
    return done.returncode, done.stdout, done.stderr.decode()


@contextmanager
def running(server: ServerProcess, *arguments: str, stderr: int = subprocess.PIPE) -> Iterator[Process]:
    pipe = subprocess.PIPE
    with subprocess.Popen(command(server, *arguments), cwd=ROOT, stdin=pipe, stdout=pipe, stderr=stderr) as process:
        try:
            yield process
        finally:
            process.kill()


def asked(process: Process, line: bytes) -> bytes:
    """The answer to a line, while more may follow."""
    assert process.stdin
    assert process.stdout
    process.stdin.write(line)
    process.stdin.flush()
    return process.stdout.readline()


def interrupted(process: Process) -> tuple[int, bytes]:
    """Exit code and errors."""
    assert process.stderr
    process.send_signal(signal.SIGINT)
    return process.wait(PATIENCE), process.stderr.read()


@pytest.mark.parametrize("arguments", [[], ["--stream"]])
def test_what_is_around_the_text_of_a_line_stays_as_it_is(
    server: ServerProcess, french: dict[bytes, bytes], arguments: list[str]
) -> None:
    data = BOM + FIRST + b"\r\n\r\n \t\r\n" + SECOND + b"\n\v\n" + FIRST
    expected = BOM + french[FIRST] + b"\r\n\r\n \t\r\n" + french[SECOND] + b"\n\v\n" + french[FIRST]
    assert filtered(server, data, *arguments) == (0, expected, "")


@pytest.mark.parametrize("arguments", [[], ["--stream"], ["--whole"]])
def test_a_line_that_is_not_utf_8_is_named_and_stays_and_the_others_are_translated(
    server: ServerProcess, french: dict[bytes, bytes], arguments: list[str]
) -> None:
    code, output, errors = filtered(server, FIRST + b"\ncaf\xe9s\r\n" + SECOND + b"\n", *arguments)
    assert output == french[FIRST] + b"\ncaf\xe9s\r\n" + french[SECOND] + b"\n"
    assert errors == "<stdin>:2: error: UTF-8 expected, got 0xe9 at byte 4: invalid continuation byte\n"
    assert code == 1


def test_lines_that_the_server_refuses_are_named_and_stay_and_the_others_of_their_call_are_translated(
    server: ServerProcess, french: dict[bytes, bytes], tmp_path: Path
) -> None:
    long = b"word " * 100
    lines = [long if number in (3, 40) else FIRST for number in range(1, LINES_PER_CALL + 10)]
    path = tmp_path / "lines.txt"
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    # With token scores the pieces of a line would not be put together.
    code, output, errors = filtered(server, b"", "--return-token-scores", "--file", str(path))
    shown = [line.split(b"\t")[0] for line in output.splitlines()]
    assert shown == [line if line == long else french[line] for line in lines]
    problem = f"at most {MAX_CHARACTERS} characters expected, got 500"
    assert errors == f"{path}:3: error: {problem}\n{path}:40: error: {problem}\n"
    assert code == 1


def test_a_line_longer_than_the_server_takes_is_translated_in_pieces(server: ServerProcess, client: Client) -> None:
    long = " ".join(SENTENCES[:30])
    pieces = cut(long, MAX_CHARACTERS)
    assert len(pieces) > 3
    expected = "".join(client.translate(piece).translated_text if piece.strip() else piece for piece in pieces)
    for arguments in ([], ["--stream"]):
        assert filtered(server, f"{long}\n".encode(), *arguments) == (0, f"{expected}\n".encode(), "")


def test_a_line_of_very_many_pieces_is_translated(server: ServerProcess) -> None:
    code, output, errors = filtered(server, FIRST + b" " + b"A dog. " * 1200 + b"\n" + FIRST)
    assert (code, errors, output.count(b"\n")) == (0, "", 1)


@pytest.mark.parametrize("arguments", [[], ["--stream"], ["--score"]])
def test_a_co_process_gets_each_answer_before_it_asks_again(
    server: ServerProcess, french: dict[bytes, bytes], arguments: list[str]
) -> None:
    with running(server, *arguments) as process:
        for line in (FIRST, SECOND):
            if arguments == ["--score"]:
                pair = line + b"\t" + french[line] + b"\n"
                assert asked(process, pair).endswith(pair)
            else:
                assert asked(process, line + b"\n") == french[line] + b"\n"
        assert asked(process, b"\xff\n") == b"\xff\n"
        assert asked(process, b"\n") == b"\n"
        assert process.stdin
        process.stdin.close()
        assert process.wait(PATIENCE) == 1


def test_a_large_file_is_translated_in_order(server: ServerProcess, french: dict[bytes, bytes], tmp_path: Path) -> None:
    lines = [*french, b"", b"\xfe"] * 20
    path = tmp_path / "large.txt"
    path.write_bytes(b"\n".join(lines))
    code, output, errors = filtered(server, b"", "--file", str(path))
    assert output.split(b"\n") == [french.get(line, line) for line in lines]
    assert [int(error.split(":")[1]) for error in errors.splitlines()] == [
        number for number, line in enumerate(lines, start=1) if line == b"\xfe"
    ]
    assert code == 1


def test_texts_are_utf_8_whatever_the_locale_is(server: ServerProcess) -> None:
    pair = "un œuf 😊\tl'œuf\n".encode()
    locale = {"LC_ALL": "C", "PYTHONIOENCODING": "latin-1", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    code, output, errors = filtered(server, pair, "--score", environment=locale)
    assert (code, errors) == (0, "")
    assert output.endswith(pair)
    assert filtered(server, b"", "--score", pair[:-1], environment=locale)[1].endswith(pair)


def test_an_argument_that_is_not_utf_8_is_named(server: ServerProcess, french: dict[bytes, bytes]) -> None:
    code, output, errors = filtered(server, b"", FIRST, b"caf\xe9")
    assert (code, output) == (1, french[FIRST] + b"\ncaf\xe9\n")
    assert errors.startswith("argument:2: error: UTF-8 expected, got 0xe9 at byte 4")


def test_pairs_that_are_none_or_that_the_server_refuses_are_named_and_stay(server: ServerProcess) -> None:
    good = FIRST + b"\t" + FIRST
    long = FIRST + b"\t" + FIRST * 20
    code, output, errors = filtered(server, b"\n".join([good, b"no pair", b" ", long, good]) + b"\n", "--score")
    first, second, third, fourth, last = output.splitlines()
    assert first == last
    assert first.split(b"\t", 2)[2] == good
    assert (second, third, fourth) == (b"no pair", b" ", long)
    assert errors.splitlines() == [
        "<stdin>:2: error: a text, a tab and its translation expected",
        f"<stdin>:4: error: translated_text: at most {MAX_CHARACTERS} characters expected, got {20 * len(FIRST)}",
    ]
    assert code == 1


def test_hypotheses_have_the_number_of_their_line_also_behind_blank_lines(server: ServerProcess) -> None:
    data = b"\r\n" + FIRST + b"\r\n"
    code, output, _ = filtered(server, data, "--beam-size", "2", "--num-hypotheses", "2")
    blank, *shown = output.split(b"\r\n")[:-1]
    assert (code, blank) == (0, b"")
    assert [line.split(b"\t")[0] for line in shown] == [b"1", b"1"]


def test_a_whole_text_is_one_content(server: ServerProcess, client: Client) -> None:
    text = f"{SENTENCES[0]}\n{SENTENCES[1]}. {SENTENCES[2]}"
    expected = client.translate(text).translated_text.encode() + b"\n"
    for arguments in (["--whole"], ["--whole", "--stream"]):
        assert filtered(server, f"{text}\n".encode(), *arguments) == (0, expected, "")


def test_a_whole_text_longer_than_the_server_takes_is_cut_at_line_ends(server: ServerProcess, client: Client) -> None:
    lines = [f"{sentence}\n" for sentence in SENTENCES[:30]]
    texts = [""]
    for line in lines:
        if len(texts[-1]) + len(line) > MAX_CHARACTERS:
            texts.append("")
        texts[-1] += line
    assert len(texts) > 2
    expected = "".join(f"{client.translate(text.removesuffix(chr(10))).translated_text}\n" for text in texts)
    assert filtered(server, "".join(lines).encode(), "--whole") == (0, expected.encode(), "")


def test_an_interrupt_ends_it_quietly_wherever_it_is(server: ServerProcess, tmp_path: Path) -> None:
    large = tmp_path / "large.txt"
    large.write_bytes((FIRST + b"\n") * 5000)
    with running(server) as process:
        asked(process, FIRST + b"\n")  # it waits for input
        assert interrupted(process) == (130, b"")
    with running(server, "--file", str(large)) as process:
        assert process.stdout
        process.stdout.readline()  # it translates
        assert interrupted(process) == (130, b"")
    with running(server, "--file", str(large)) as process:
        time.sleep(2)  # it has more to write than fits into the pipe
        assert interrupted(process) == (130, b"")


def test_endless_input_ends_with_whoever_reads_the_output(server: ServerProcess) -> None:
    yes = subprocess.Popen(["yes", FIRST], stdout=subprocess.PIPE)
    with subprocess.Popen(
        command(server), cwd=ROOT, stdin=yes.stdout, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert yes.stdout
        assert process.stdout
        assert process.stderr
        yes.stdout.close()
        process.stdout.readline()
        process.stdout.close()
        assert (process.wait(PATIENCE), process.stderr.read()) == (1, b"")
    assert yes.wait(PATIENCE) == -signal.SIGPIPE


@pytest.mark.parametrize(
    "arguments", [[FIRST], ["--stream", FIRST], ["--score", FIRST + b"\ta"], ["--all-models", FIRST], ["--list-models"]]
)
def test_a_full_disk_is_one_line_on_standard_error(server: ServerProcess, arguments: list[str | bytes]) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(command(server, *arguments), cwd=ROOT, stdout=full, stderr=subprocess.PIPE, check=False)
    assert done.stderr == b"error: standard output: No space left on device\n"
    assert done.returncode == 1


@pytest.mark.parametrize(("closed", "name"), [("<&-", "<stdin>"), (">&-", "standard output")])
def test_a_stream_that_is_closed_is_named(server: ServerProcess, closed: str, name: str) -> None:
    script = f'"$@" {closed}'
    done = subprocess.run(["sh", "-c", script, "-", *command(server)], cwd=ROOT, input=b"", capture_output=True)
    assert (done.returncode, done.stdout, done.stderr.decode()) == (1, b"", f"error: {name}: Bad file descriptor\n")


def test_bad_lines_do_not_get_into_the_output_where_standard_error_is_closed(server: ServerProcess) -> None:
    script = '"$@" 2>&-'
    done = subprocess.run(["sh", "-c", script, "-", *command(server)], cwd=ROOT, input=b"\xff\n", capture_output=True)
    assert (done.returncode, done.stdout) == (1, b"\xff\n")


def test_what_was_translated_before_the_server_went_is_written_and_the_line_is_named(
    rnn_repository: Path, french: dict[bytes, bytes]
) -> None:
    with server_process(rnn_repository) as server, running(server, "--timeout", "2") as process:
        assert asked(process, FIRST + b"\n") == french[FIRST] + b"\n"
        server.process.kill()
        server.process.wait(PATIENCE)
        output, errors = process.communicate(SECOND + b"\n", PATIENCE)
    assert output == b""
    assert re.fullmatch(rb"error: (UNAVAILABLE|DEADLINE_EXCEEDED): .+ \(at <stdin>:2\)\n", errors)
    assert process.returncode == 1


def test_a_server_that_has_too_much_to_do_is_waited_for(
    rnn_repository: Path, french: dict[bytes, bytes], tmp_path: Path
) -> None:
    lines = [*french] * 4
    path = tmp_path / "lines.txt"
    path.write_bytes(b"\n".join(lines))
    with server_process(rnn_repository, **{"max-calls": "1"}) as server:
        code, output, errors = filtered(server, b"", "--file", str(path))
    assert (code, errors) == (0, "")
    assert output.split(b"\n") == [french[line] for line in lines]


def test_progress_of_a_file_is_shown_on_a_terminal_and_erased(server: ServerProcess, tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    shown, terminal = os.openpty()
    with running(server, "--file", str(path), stderr=terminal) as process, path.open("wb", buffering=0) as file:
        assert process.stdout
        for line in (FIRST + b"\n", b"\xff\n", SECOND + b"\n"):
            time.sleep(0.25)
            file.write(line)
            process.stdout.readline()
        file.close()
        assert process.wait(PATIENCE) == 1
    os.close(terminal)
    text = os.read(shown, 10_000).decode()
    os.close(shown)
    assert "\r\x1b[K1 lines, " in text
    assert " lines/s\r\x1b[K" + f"{path}:2: error: UTF-8 expected" in text
    assert text.endswith("\r\x1b[K")


def test_no_progress_is_shown_where_standard_error_is_no_terminal(server: ServerProcess, tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with running(server, "--file", str(path)) as process:
        with path.open("wb", buffering=0) as file:
            assert process.stdout
            for line in (FIRST + b"\n", SECOND + b"\n"):
                file.write(line)
                process.stdout.readline()
                time.sleep(0.25)
        _, errors = process.communicate(timeout=PATIENCE)
    assert errors == b""
