"""Translate through a running server.

python -m seq2serve "A sentence." "Another one."
python -m seq2serve --file sentences.txt --model lstm-en-fr
cat sentences.txt | python -m seq2serve --stream
python -m seq2serve --all-models "A sentence."
python -m seq2serve --beam-size 5 --num-hypotheses 3 "A sentence."
python -m seq2serve --score < pairs.tsv
"""

import argparse
import os
import sys
from collections.abc import Iterable
from pathlib import Path

from seq2serve.addresses import parse_target
from seq2serve.client import Client
from seq2serve.commands import (
    LINES_PER_CALL,
    compare_models,
    print_models,
    score_lines,
    stream_lines,
    translate_lines,
)
from seq2serve.decoding_flags import add_decoding_arguments, read_decoding
from seq2serve.errors import TranslationError
from seq2serve.pb import translation_pb2 as pb
from seq2serve.requests import DEFAULT_ADDRESS, DEFAULT_TIMEOUT


def main() -> None:
    parser = _parser()
    arguments = parser.parse_args()
    try:
        _check(arguments)
        decoding = read_decoding(arguments)
        parse_target("--server", arguments.server)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    with Client(arguments.server, timeout=arguments.timeout) as client:
        try:
            _run(client, arguments, decoding)
        except TranslationError as error:
            sys.exit(f"error: {error.code.name}: {error.message}")
        except BrokenPipeError:  # who reads has had enough, as `head` has
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(1)
        except (OSError, ValueError) as error:  # of files and texts
            sys.exit(f"error: {error}")
        except KeyboardInterrupt:
            sys.exit(130)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m seq2serve", description="Translate through a running server.")
    parser.add_argument("contents", nargs="*", help="texts to translate; none: lines of standard input")
    parser.add_argument("--file", type=Path, help="translate the lines of a file")
    parser.add_argument("--server", default=DEFAULT_ADDRESS, help=f"address (default: {DEFAULT_ADDRESS})")
    parser.add_argument("--model", default="", help="model name (default: the server's)")
    parser.add_argument("--all-models", action="store_true", help="by every model, side by side, with timings")
    parser.add_argument("--stream", action="store_true", help="show the text as it is decoded")
    parser.add_argument("--list-models", action="store_true", help="list what the server serves")
    parser.add_argument(
        "--score", action="store_true", help="lines are a text, a tab and its translation: the translation's score"
    )
    parser.add_argument(
        "--timeout",
        type=float,
        default=DEFAULT_TIMEOUT,
        help=f"deadline of each call, in seconds (default: {DEFAULT_TIMEOUT:.0f})",
    )
    add_decoding_arguments(parser)
    return parser


def _check(arguments: argparse.Namespace) -> None:
    """Raises ValueError for arguments that contradict each other."""
    if arguments.file and arguments.contents:
        raise ValueError("give either texts or --file, not both")
    if arguments.stream + arguments.all_models + arguments.score > 1:
        raise ValueError("give one of --stream, --all-models and --score, not several")
    wants_more_than_text = arguments.num_hypotheses or arguments.return_alignment or arguments.return_token_scores
    if (arguments.stream or arguments.all_models) and wants_more_than_text:
        raise ValueError("--stream and --all-models show texts alone: no hypotheses, scores or alignments")


def _run(client: Client, arguments: argparse.Namespace, decoding: pb.DecodingOptions) -> None:
    model = arguments.model
    if arguments.list_models:
        print_models(client)
    elif arguments.all_models:
        compare_models(client, _lines(arguments), decoding)
    elif arguments.score:
        score_lines(client, _lines(arguments), model, decoding)
    elif arguments.stream:
        stream_lines(client, _lines(arguments), model, decoding)
    else:
        is_typed = sys.stdin.isatty() and not arguments.file and not arguments.contents
        lines_per_call = 1 if is_typed else LINES_PER_CALL  # who types waits for an answer
        translate_lines(client, _lines(arguments), model, decoding, lines_per_call)


def _lines(arguments: argparse.Namespace) -> Iterable[str]:
    """The texts to translate, without their line ends."""
    if arguments.contents:
        yield from arguments.contents
    elif arguments.file:
        with arguments.file.open(encoding="utf-8") as file:
            yield from (line.rstrip("\n") for line in file)
    else:
        yield from (line.rstrip("\n") for line in sys.stdin)


if __name__ == "__main__":
    main()
