import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from export.session import GraphSession
from models.registry import ARCHITECTURES
from models.seq2seq import EOS
from seq2serve.lines import LINES_PER_CALL
from seq2serve.pb import translation_pb2 as pb
from server.text.tokenizer import Tokenizer
from tests.conftest import SmallModels
from tests.e2e.processes import DEFAULT_MODEL, ROOT, Completed, ServerProcess, run, server_process
from tests.fakes import PATIENCE
from tests.small_models import MAX_OUTPUT_TOKENS, SENTENCES


@pytest.fixture(scope="module")
def server(model_repository: Path) -> Iterator[ServerProcess]:
    with server_process(model_repository) as process:
        yield process


@pytest.fixture(scope="module")
def french(small_model: SmallModels, tokenizer: Tokenizer) -> dict[str, str]:
    """What the default model's graphs write for every sentence."""
    small = small_model(DEFAULT_MODEL.removesuffix("-en-fr"))
    session = GraphSession(small.bundle.encoder, small.bundle.step, small.model.state)
    return {text: tokenizer.decode(session.decode([[*tokenizer.encode(text), EOS]])[0]) for text in SENTENCES}


def lines(ended: Completed) -> list[str]:
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout.split("\n")[:-1]


def test_arguments_are_translated_a_line_each(server: ServerProcess, french: dict[str, str]) -> None:
    assert lines(server.client(*SENTENCES[:3])) == [french[text] for text in SENTENCES[:3]]


def test_standard_input_is_translated_line_by_line_and_blank_lines_are_kept(
    server: ServerProcess, french: dict[str, str]
) -> None:
    first, second = SENTENCES[:2]
    expected = ["", french[first], "  ", "", french[second]]
    assert lines(server.client(stdin=f"\n{first}\n  \n\n{second}\n")) == expected


def test_a_file_longer_than_one_call_keeps_its_order(
    server: ServerProcess, french: dict[str, str], tmp_path: Path
) -> None:
    texts = [SENTENCES[index % len(SENTENCES)] if index % 5 else "" for index in range(LINES_PER_CALL + 10)]
    path = tmp_path / "sentences.txt"
    path.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    assert lines(server.client("--file", str(path))) == [french[text] if text else "" for text in texts]


def test_streamed_lines_are_the_same_in_the_end(server: ServerProcess, french: dict[str, str]) -> None:
    first, second = SENTENCES[:2]
    assert lines(server.client("--stream", stdin=f"{first}\n\n{second}\n")) == [french[first], "", french[second]]


def test_what_is_typed_is_answered_line_by_line(server: ServerProcess, french: dict[str, str]) -> None:
    keyboard, terminal = os.openpty()
    command = [sys.executable, "-m", "seq2serve", "--server", server.address]
    with subprocess.Popen(command, cwd=ROOT, text=True, stdin=terminal, stdout=subprocess.PIPE) as process:
        assert process.stdout
        for sentence in SENTENCES[:2]:
            os.write(keyboard, f"{sentence}\n".encode())
            assert process.stdout.readline() == f"{french[sentence]}\n"
        os.write(keyboard, b"\x04")  # the end of what is typed
        assert process.wait(PATIENCE) == 0


def test_a_reader_that_has_had_enough_ends_it_quietly(server: ServerProcess, tmp_path: Path) -> None:
    many = tmp_path / "many.txt"
    many.write_text("\n".join(SENTENCES * 30))
    command = [sys.executable, "-m", "seq2serve", "--server", server.address, "--file", str(many)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(PATIENCE) == 1


def test_nothing_in_is_nothing_out(server: ServerProcess) -> None:
    assert lines(server.client(stdin="")) == []


def test_a_model_and_a_limit_can_be_chosen(server: ServerProcess) -> None:
    short, long = (
        lines(server.client("--model", "lstm-en-fr", "--max-output-tokens", str(limit), SENTENCES[0]))[0]
        for limit in (4, MAX_OUTPUT_TOKENS)
    )
    assert len(short) < len(long)
    assert long.startswith(short)


def test_all_models_translate_side_by_side_with_their_times(server: ServerProcess, french: dict[str, str]) -> None:
    head, *rows = lines(server.client("--all-models", SENTENCES[0]))
    assert head == SENTENCES[0]
    names = [row.split()[0] for row in rows]
    assert names[0] == DEFAULT_MODEL
    assert sorted(names) == sorted(f"{name}-en-fr" for name in ARCHITECTURES)
    name, milliseconds, unit, text = rows[0].split(maxsplit=3)
    assert (name, unit, text) == (DEFAULT_MODEL, "ms", french[SENTENCES[0]])
    assert float(milliseconds) > 0


def test_models_are_listed_with_languages_precision_quality_and_licences(server: ServerProcess) -> None:
    first, second, third, fourth, *rest = lines(server.client("--list-models"))
    assert first == f"{DEFAULT_MODEL}  version 1, rnn, en-fr, int8, the default"
    assert second == "  none/test: 12.5 (BLEU)"
    assert third == "  licence of the weights: CC0-1.0"
    assert fourth == "  trained on dice: public domain"
    assert len(rest) == 4 * (len(ARCHITECTURES) - 1)
    assert not [line for line in rest if "the default" in line]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "babel", "a"], "error: NOT_FOUND: model: no model 'babel' is served here; served: "),
        (["--max-output-tokens", "-1", "a"], "error: INVALID_ARGUMENT: decoding.max_output_tokens: "),
        (["--stream", "--model", "babel", "a"], "error: NOT_FOUND: model: no model 'babel' is served here; served: "),
        (["--file", str(ROOT)], f"error: {ROOT}: Is a directory"),
        (["--file", "no/such/file"], "error: no/such/file: No such file or directory"),
    ],
)
def test_what_goes_wrong_is_one_line_and_exit_code_1(server: ServerProcess, arguments: list[str], message: str) -> None:
    ended = server.client(*arguments)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith(message)
    assert ended.stderr.count("\n") == 1


def test_a_server_that_is_not_there_is_one_line_and_exit_code_1() -> None:
    ended = run("seq2serve", "--server", "127.0.0.1:1", "a")
    assert ended.returncode == 1
    assert ended.stderr.startswith("error: UNAVAILABLE: ")
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--file", "x", "a"], "give either texts or --file, not both"),
        (["--stream", "--all-models", "a"], "give one of --stream, --all-models and --score, not several"),
        (["--whole", "--score"], "--whole shows the text's translation alone"),
        (["--format", "html", "--score"], "--score takes texts as they are"),
    ],
)
def test_contradicting_arguments_are_a_usage_error(arguments: list[str], message: str) -> None:
    ended = run("seq2serve", *arguments)
    assert ended.returncode == 2
    assert message in ended.stderr


def test_every_decoding_option_has_a_flag_whose_answer_fits_a_line() -> None:
    help_text = run("seq2serve", "--help").stdout
    for field in pb.DecodingOptions.DESCRIPTOR.fields:
        assert field.name == "return_alignment_heads" or (
            f"--{field.name.removesuffix('s' if field.name == 'forbidden_phrases' else '').replace('_', '-')}"
            in help_text
        )


def test_hypotheses_are_shown_with_the_number_of_their_line_and_their_score(server: ServerProcess) -> None:
    shown = lines(server.client("--beam-size", "4", "--num-hypotheses", "3", *SENTENCES[:2]))
    numbers, scores, texts = zip(*(line.split("\t") for line in shown), strict=True)
    assert list(numbers) == sorted(numbers)
    assert set(numbers) == {"0", "1"}
    first = [float(score) for number, score in zip(numbers, scores, strict=True) if number == "0"]
    assert first == sorted(first, reverse=True)
    assert len(set(texts)) > 2


def test_options_reach_the_decoder(server: ServerProcess, french: dict[str, str], tmp_path: Path) -> None:
    text = SENTENCES[0]
    assert lines(server.client("--target-prefix", "the old house", text))[0].startswith("the old house")
    phrase = french[text].split()[0]
    assert not lines(server.client("--forbidden-phrase", phrase, text))[0].startswith(phrase)
    glossary = tmp_path / "glossary.tsv"
    glossary.write_text(f"# comment\n\n{text.split()[1]}\tgreen tree\n", encoding="utf-8")
    assert "green tree" in lines(server.client("--glossary-file", str(glossary), text))[0]
    seeded = [lines(server.client("--temperature", "2", "--seed", "5", text)) for _ in range(2)]
    assert seeded[0] == seeded[1]
    [shown] = lines(server.client("--model", "transformer-en-fr", "--return-alignment", "--return-token-scores", text))
    _, alignment, scores = shown.split("\t")
    assert all(len(pair.split("-")) == 2 for pair in alignment.split())
    assert all(":-" in score for score in scores.split(" "))


def test_pairs_of_lines_are_scored(server: ServerProcess, french: dict[str, str]) -> None:
    first, second = SENTENCES[:2]
    pairs = [f"{first}\t{french[first]}", f"{first}\t{french[second]}"]
    shown = [line.split("\t") for line in lines(server.client("--score", stdin="".join(f"{pair}\n" for pair in pairs)))]
    assert [f"{source}\t{translation}" for _, _, source, translation in shown] == pairs
    assert float(shown[0][0]) > float(shown[1][0])


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--glossary-file", "missing.tsv", "a"], "missing.tsv"),
        (["--beam-size", "x", "a"], "argument --beam-size: invalid int value: 'x'"),
        (["--seed", "-1", "a"], "decoding options: "),
    ],
)
def test_wrong_options_are_named(arguments: list[str], problem: str) -> None:
    done = run("seq2serve", *arguments)
    assert done.returncode == 2
    assert problem in done.stderr
    assert "Traceback" not in done.stderr
