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
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import grpc

from seq2serve.addresses import parse_target
from seq2serve.decoding_flags import add_decoding_arguments, read_decoding
from seq2serve.pb import translation_pb2 as pb
from seq2serve.pb import translation_pb2_grpc as pb_grpc

DEFAULT_SERVER = "127.0.0.1:50051"

LINES_PER_CALL = 64
"""Lines of a file or of standard input that one call carries."""


class Client:
    def __init__(self, channel: grpc.Channel, timeout: float, decoding: pb.DecodingOptions) -> None:
        self._stub = pb_grpc.TranslationServiceStub(channel)
        self._timeout = timeout
        self.decoding = decoding

    def models(self) -> Sequence[pb.Model]:
        return self._stub.ListModels(pb.ListModelsRequest(), timeout=self._timeout).models

    def translate(self, contents: Sequence[str], model: str) -> Sequence[pb.Translation]:
        return self._stub.Translate(self._request(contents, model), timeout=self._timeout).translations

    def stream(self, contents: Sequence[str], model: str) -> Iterable[pb.StreamTranslateResponse]:
        return self._stub.StreamTranslate(self._request(contents, model), timeout=self._timeout)

    def score(self, pairs: Sequence[tuple[str, str]], model: str) -> Sequence[pb.PairScore]:
        scored = [pb.ScoredPair(content=content, translated_text=translation) for content, translation in pairs]
        alignment = self.decoding.return_alignment
        request = pb.ScoreRequest(pairs=scored, model=model, return_alignment=alignment)
        return self._stub.Score(request, timeout=self._timeout).scores

    def _request(self, contents: Sequence[str], model: str) -> pb.TranslateRequest:
        return pb.TranslateRequest(contents=contents, model=model, decoding=self.decoding)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m seq2serve", description="Translate through a running server.")
    parser.add_argument("contents", nargs="*", help="texts to translate; none: lines of standard input")
    parser.add_argument("--file", type=Path, help="translate the lines of a file")
    parser.add_argument("--server", default=DEFAULT_SERVER, help=f"address (default: {DEFAULT_SERVER})")
    parser.add_argument("--model", default="", help="model name (default: the server's)")
    parser.add_argument("--all-models", action="store_true", help="by every model, side by side, with timings")
    parser.add_argument("--stream", action="store_true", help="show the text as it is decoded")
    parser.add_argument("--list-models", action="store_true", help="list what the server serves")
    parser.add_argument(
        "--score", action="store_true", help="lines are a text, a tab and its translation: the translation's score"
    )
    parser.add_argument("--timeout", type=float, default=60.0, help="deadline of each call, in seconds (default: 60)")
    add_decoding_arguments(parser)
    arguments = parser.parse_args()
    if arguments.file and arguments.contents:
        parser.error("give either texts or --file, not both")
    if arguments.stream + arguments.all_models + arguments.score > 1:
        parser.error("give one of --stream, --all-models and --score, not several")
    if (arguments.stream or arguments.all_models) and shows_more(arguments):
        parser.error("--stream and --all-models show texts alone: no hypotheses, scores or alignments")
    try:
        decoding = read_decoding(arguments)
        server = parse_target("--server", arguments.server)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    options = [("grpc.max_receive_message_length", -1), *server.channel_options]
    with grpc.insecure_channel(server.target, options) as channel:
        client = Client(channel, arguments.timeout, decoding)
        try:
            if arguments.list_models:
                list_models(client)
            elif arguments.all_models:
                compare_models(client, read_lines(arguments))
            elif arguments.score:
                score_lines(client, read_lines(arguments), arguments.model)
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
        except (OSError, ValueError) as error:  # of files and texts
            sys.exit(f"error: {error}")
        except KeyboardInterrupt:
            sys.exit(130)


def shows_more(arguments: argparse.Namespace) -> bool:
    """Whether more than a text is asked for."""
    return bool(arguments.num_hypotheses or arguments.return_alignment or arguments.return_token_scores)


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
    """One line out for each line in, or one for each of its hypotheses; blank lines stay blank, and are not sent."""
    number = 0
    for chunk in chunks(lines, lines_per_call):
        texts = [line for line in chunk if line.strip()]
        translations = iter(client.translate(texts, model) if texts else [])
        for line in chunk:
            shown = next(translations).hypotheses if line.strip() else [pb.Hypothesis()]
            for hypothesis in shown:
                print("\t".join(columns(hypothesis, number, client.decoding)), flush=True)
            number += 1


def columns(hypothesis: pb.Hypothesis, number: int, decoding: pb.DecodingOptions) -> list[str]:
    """The text; before it the number of the line and the score where there are several hypotheses of a line; behind it
    what else was asked for."""
    shown = [hypothesis.translated_text]
    if decoding.num_hypotheses > 1:
        shown = [str(number), f"{hypothesis.score:.4f}", *shown]
    if decoding.return_alignment:
        shown.append(hypothesis.word_alignment)
    if decoding.return_token_scores:
        shown.append(token_scores(hypothesis.tokens))
    return shown


def token_scores(tokens: Iterable[pb.OutputToken]) -> str:
    return " ".join(f"{token.token}:{token.log_prob:.3f}" for token in tokens)


def score_lines(client: Client, lines: Iterable[str], model: str) -> None:
    """For each pair: the log-probability of the translation, the mean of its tokens, and the pair; blank lines stay
    blank.

    Raises ValueError for a line that is no pair.
    """
    for chunk in chunks(lines, LINES_PER_CALL):
        pairs = []
        for line in filter(str.strip, chunk):
            content, tab, translation = line.partition("\t")
            if not tab:
                raise ValueError(f"a text, a tab and its translation expected, got {line[:80]!r}")
            pairs.append((content, translation))
        scores = iter(client.score(pairs, model) if pairs else [])
        for line in chunk:
            if not line.strip():
                print(flush=True)
                continue
            score = next(scores)
            shown = [f"{score.log_prob:.4f}", f"{score.score:.4f}", line]
            if client.decoding.return_alignment:
                shown.append(score.word_alignment)
            if client.decoding.return_token_scores:
                shown.append(token_scores(score.tokens))
            print("\t".join(shown), flush=True)


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
        facts = [f"version {model.versions[-1]}", model.architecture, pairs, model.precision]
        facts += ["alignments"] * model.has_alignment + ["shortlist"] * model.has_shortlist
        facts += [f"glossary {name}" for name in model.glossaries]
        facts += ["the default"] * model.is_default
        print(f"{model.name}  {', '.join(facts)}")
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
