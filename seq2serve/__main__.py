"""Translate through a running server: a filter, which writes each line's translation in its place.

python -m seq2serve "A sentence." "Another one."
python -m seq2serve --file sentences.txt --model lstm-en-fr
python -m seq2serve --from fr --to en "Une phrase."
cat sentences.txt | python -m seq2serve --stream
python -m seq2serve --format html < page.html
python -m seq2serve --all-models "A sentence."
python -m seq2serve --beam-size 5 --num-hypotheses 3 "A sentence."
python -m seq2serve --score < pairs.tsv
python -m seq2serve --server host:50051 --authorities authority.pem --api-key-file web.key "A sentence."
"""

import argparse
import errno
import math
import os
import signal
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from seq2serve.addresses import parse_target
from seq2serve.calls import Calls
from seq2serve.channel import ConnectionOptions
from seq2serve.client import Client
from seq2serve.commands import compare_models, print_models, score_lines, stream_lines, translate_lines
from seq2serve.connection_flags import add_connection_arguments, read_connection
from seq2serve.decoding_flags import add_decoding_arguments, read_decoding
from seq2serve.errors import TranslationError
from seq2serve.lines import Batch, argument_lines, chunks, read_lines, whole_texts
from seq2serve.output import Output, abandon_output
from seq2serve.pb import translation_pb2 as pb
from seq2serve.requests import DEFAULT_ADDRESS, DEFAULT_TIMEOUT, SentenceSplitting, TranslateOptions

_MIME_TYPES = {"text": "text/plain", "html": "text/html"}
_STANDARD_INPUT = "<stdin>"


def main() -> None:
    parser = _parser()
    arguments = parser.parse_args()
    try:
        _check(arguments)
        decoding = read_decoding(arguments)
        connection = read_connection(arguments)
        parse_target("--server", arguments.server)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    try:
        sys.exit(_run(arguments, decoding, connection))
    except TranslationError as error:
        place = "".join(f" ({note})" for note in getattr(error, "__notes__", []))
        sys.exit(f"error: {error.code.name}: {error.message}{place}")
    except BrokenPipeError:  # who reads has had enough, as `head` has
        abandon_output()
        sys.exit(1)
    except OSError as error:
        abandon_output()
        sys.exit(f"error: {error.filename}: {error.strerror}")
    except ValueError as error:  # of the options
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # who presses it twice sees no traceback either
        abandon_output()  # else it would wait for a reader that does not read
        sys.exit(130)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m seq2serve", description="Translate through a running server.")
    parser.add_argument("contents", nargs="*", help="texts to translate; none: lines of standard input")
    parser.add_argument("--file", type=Path, help="translate the lines of a file")
    parser.add_argument("--server", default=DEFAULT_ADDRESS, help=f"address (default: {DEFAULT_ADDRESS})")
    parser.add_argument("--model", default="", help="model name (default: the server's, for the languages if given)")
    parser.add_argument(
        "--from", dest="source_language", default="", metavar="LANGUAGE", help="of the texts, such as en or fr-CA"
    )
    parser.add_argument(
        "--to", dest="target_language", default="", metavar="LANGUAGE", help="of the translations, such as fr or en-GB"
    )
    parser.add_argument(
        "--all-models",
        action="store_true",
        help="by every model of these languages (default: the default model's), side by side, with timings",
    )
    parser.add_argument("--stream", action="store_true", help="show the text as it is decoded")
    parser.add_argument("--list-models", action="store_true", help="list what the server serves")
    parser.add_argument(
        "--score", action="store_true", help="lines are a text, a tab and its translation: the translation's score"
    )
    parser.add_argument(
        "--timeout",
        type=_seconds,
        default=DEFAULT_TIMEOUT,
        help=f"deadline of each call, in seconds (default: {DEFAULT_TIMEOUT:.0f})",
    )
    _add_text_arguments(parser)
    add_decoding_arguments(parser)
    add_connection_arguments(parser)
    return parser


def _add_text_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what texts are")
    group.add_argument(
        "--whole",
        action=argparse.BooleanOptionalAction,
        help="the input is one text, and not one in each line: with --format html, where it is the default, and with "
        "--split-sentences none, a sentence may go on in the next line",
    )
    group.add_argument("--format", choices=_MIME_TYPES, help="of the texts (default: text)")
    group.add_argument(
        "--split-sentences", choices=get_args(SentenceSplitting), help="where texts are split (default: sentences)"
    )
    group.add_argument(
        "--do-not-translate",
        metavar="TEXT",
        action="append",
        help="what stays as it is; may be given several times",
    )


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds < math.inf:
        raise argparse.ArgumentTypeError(f"a number of seconds above 0 expected, got {text}")
    return seconds


def _check(arguments: argparse.Namespace) -> None:
    """Raises ValueError for arguments that contradict each other."""
    if arguments.file and arguments.contents:
        raise ValueError("give either texts or --file, not both")
    if arguments.stream + arguments.all_models + arguments.score > 1:
        raise ValueError("give one of --stream, --all-models and --score, not several")
    wants_more_than_text = arguments.num_hypotheses or arguments.return_alignment or arguments.return_token_scores
    if (arguments.stream or arguments.all_models) and wants_more_than_text:
        raise ValueError("--stream and --all-models show texts alone: no hypotheses, scores or alignments")
    if arguments.score and (arguments.format or arguments.split_sentences or arguments.do_not_translate):
        raise ValueError("--score takes texts as they are: no format, splitting or exceptions")
    if arguments.whole and (arguments.all_models or arguments.score or wants_more_than_text):
        raise ValueError("--whole shows the text's translation alone: no models, hypotheses, scores or alignments")


def _run(arguments: argparse.Namespace, decoding: pb.DecodingOptions, connection: ConnectionOptions) -> int:
    """Returns the exit code."""
    with Client(arguments.server, timeout=arguments.timeout, **connection) as client, Output() as output:
        if arguments.list_models:
            print_models(client, output)
            return 0
        batches, is_file = _input(arguments)
        if is_file:
            output.show_progress()
        calls = Calls(client, _options(arguments, decoding))
        is_whole = arguments.format == "html" if arguments.whole is None else arguments.whole
        if is_whole and not arguments.contents:
            batches = whole_texts(batches, calls.max_characters)
        if arguments.all_models:
            compare_models(calls, batches, output)
        elif arguments.score:
            score_lines(calls, chunks(batches, calls.max_contents), output)
        elif arguments.stream:
            stream_lines(calls, batches, output)
        else:
            translate_lines(calls, chunks(batches, calls.max_contents), output)
        return 1 if output.num_bad else 0


def _input(arguments: argparse.Namespace) -> tuple[Iterator[Batch], bool]:
    """The lines, and whether they are a file's. Raises OSError."""
    if arguments.contents:
        return iter([argument_lines(arguments.contents)]), False
    if arguments.file:
        return read_lines(os.open(arguments.file, os.O_RDONLY), str(arguments.file)), True
    if sys.stdin is None:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF), _STANDARD_INPUT)
    return read_lines(0, _STANDARD_INPUT), stat.S_ISREG(os.fstat(0).st_mode)


def _options(arguments: argparse.Namespace, decoding: pb.DecodingOptions) -> TranslateOptions:
    options: TranslateOptions = {
        "model": arguments.model,
        "source_language_code": arguments.source_language,
        "target_language_code": arguments.target_language,
        "decoding": decoding,
    }
    if arguments.format:
        options["mime_type"] = _MIME_TYPES[arguments.format]
    if arguments.split_sentences:
        options["split_sentences"] = arguments.split_sentences
    if arguments.do_not_translate:
        options["do_not_translate"] = arguments.do_not_translate
    return options


if __name__ == "__main__":
    main()
