"""Translate through a running server.

python -m client "A sentence." "Another one."
python -m client --file sentences.txt --model lstm-en-fr
cat sentences.txt | python -m client --stream
python -m client --all-models "A sentence."
"""

import argparse
import os
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import grpc

from server.pb import translation_pb2 as pb
from server.pb import translation_pb2_grpc as pb_grpc

DEFAULT_SERVER = "127.0.0.1:50051"

LINES_PER_CALL = 64
"""Lines of a file or of standard input that one call carries."""


class Client:
    def __init__(self, channel: grpc.Channel, timeout: float, max_output_tokens: int) -> None:
        self._stub = pb_grpc.TranslationServiceStub(channel)
        self._timeout = timeout
        self._decoding = pb.DecodingOptions(max_output_tokens=max_output_tokens)

    def models(self) -> Sequence[pb.Model]:
        return self._stub.ListModels(pb.ListModelsRequest(), timeout=self._timeout).models

    def translate(self, contents: Sequence[str], model: str) -> Sequence[pb.Translation]:
        return self._stub.Translate(self._request(contents, model), timeout=self._timeout).translations

    def stream(self, contents: Sequence[str], model: str) -> Iterable[pb.StreamTranslateResponse]:
        return self._stub.StreamTranslate(self._request(contents, model), timeout=self._timeout)

    def _request(self, contents: Sequence[str], model: str) -> pb.TranslateRequest:
        return pb.TranslateRequest(contents=contents, model=model, decoding=self._decoding)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m client", description="Translate through a running server.")
    parser.add_argument("contents", nargs="*", help="texts to translate; none: lines of standard input")
    parser.add_argument("--file", type=Path, help="translate the lines of a file")
    parser.add_argument("--server", default=DEFAULT_SERVER, help=f"address (default: {DEFAULT_SERVER})")
    parser.add_argument("--model", default="", help="model name (default: the server's)")
    parser.add_argument("--all-models", action="store_true", help="by every model, side by side, with timings")
    parser.add_argument("--stream", action="store_true", help="show the text as it is decoded")
    parser.add_argument("--list-models", action="store_true", help="list what the server serves")
    parser.add_argument("--max-output-tokens", type=int, default=0, help="0: the server's own limit")
    parser.add_argument("--timeout", type=float, default=60.0, help="deadline of each call, in seconds (default: 60)")
    arguments = parser.parse_args()
    if arguments.file and arguments.contents:
        parser.error("give either texts or --file, not both")
    if arguments.stream and arguments.all_models:
        parser.error("give either --stream or --all-models, not both")
    with grpc.insecure_channel(arguments.server, options=[("grpc.max_receive_message_length", -1)]) as channel:
        client = Client(channel, arguments.timeout, arguments.max_output_tokens)
        try:
            if arguments.list_models:
                list_models(client)
            elif arguments.all_models:
                compare_models(client, read_lines(arguments))
            elif arguments.stream:
                stream_lines(client, read_lines(arguments), arguments.model)
            else:
                is_typed = sys.stdin.isatty() and not arguments.file and not arguments.contents
                lines_per_call = 1 if is_typed else LINES_PER_CALL  # who types waits for an answer
                translate_lines(client, read_lines(arguments), arguments.model, lines_per_call)
        except grpc.RpcError as error:
            sys.exit(f"error: {error.code().name}: {error.details()}")
        except BrokenPipeError:  # who reads has had enough, as `head` has
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(1)
        except (OSError, UnicodeError) as error:
            sys.exit(f"error: {error}")
        except KeyboardInterrupt:
            sys.exit(130)


def read_lines(arguments: argparse.Namespace) -> Iterable[str]:
    """The texts to translate, without their line ends."""
    if arguments.contents:
        yield from arguments.contents
    elif arguments.file:
        with arguments.file.open(encoding="utf-8") as file:
            yield from (line.rstrip("\n") for line in file)
    else:
        yield from (line.rstrip("\n") for line in sys.stdin)


def translate_lines(client: Client, lines: Iterable[str], model: str, lines_per_call: int) -> None:
    """One line out for each line in; blank lines stay blank, and are not sent."""
    for chunk in chunks(lines, lines_per_call):
        texts = [line for line in chunk if line.strip()]
        translations = iter(client.translate(texts, model) if texts else [])
        for line in chunk:
            print(next(translations).translated_text if line.strip() else "", flush=True)


def stream_lines(client: Client, lines: Iterable[str], model: str) -> None:
    """Line by line, each as it is decoded."""
    for line in lines:
        for response in client.stream([line], model) if line.strip() else []:
            print(response.text_delta, end="", flush=True)
        print()


def compare_models(client: Client, lines: Iterable[str]) -> None:
    """Every model's translation of each line, with the time of the whole call."""
    names = [model.name for model in client.models()]
    width = max(map(len, names))
    for line in lines:
        if not line.strip():
            continue
        print(line)
        for name in names:
            started = time.perf_counter()
            [translation] = client.translate([line], name)
            milliseconds = 1000 * (time.perf_counter() - started)
            print(f"  {name:{width}}  {milliseconds:7.1f} ms  {translation.translated_text}", flush=True)


def list_models(client: Client) -> None:
    for model in client.models():
        pairs = ", ".join(f"{pair.source_language_code}-{pair.target_language_code}" for pair in model.language_pairs)
        default = ", the default" if model.is_default else ""
        print(f"{model.name}  version {model.versions[-1]}, {model.architecture}, {pairs}, {model.precision}{default}")
        for score in model.quality_scores:
            print(f"  {score.test_set}: {score.value:.1f} ({score.metric})")


def chunks(lines: Iterable[str], size: int) -> Iterable[list[str]]:
    """Lists of at most `size` lines."""
    chunk: list[str] = []
    for line in lines:
        chunk.append(line)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


if __name__ == "__main__":
    main()
