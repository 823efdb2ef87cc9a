"""What the command line can do: each command reads lines, asks the server, and prints the answers."""

import time
from collections.abc import Iterable

from seq2serve.client import Client
from seq2serve.pb import translation_pb2 as pb

LINES_PER_CALL = 64
"""Lines of a file or of standard input that one call carries."""


def translate_lines(
    client: Client, lines: Iterable[str], model: str, decoding: pb.DecodingOptions, lines_per_call: int
) -> None:
    """Print one line for each line, or one for each of its hypotheses; blank lines stay blank, and are not sent."""
    number = 0
    for chunk in _chunks(lines, lines_per_call):
        texts = [line for line in chunk if line.strip()]
        translations = iter(client.translate(texts, model=model, decoding=decoding) if texts else [])
        for line in chunk:
            hypotheses = next(translations).hypotheses if line.strip() else [pb.Hypothesis()]
            for hypothesis in hypotheses:
                print("\t".join(_columns(hypothesis, number, decoding)), flush=True)
            number += 1


def score_lines(client: Client, lines: Iterable[str], model: str, decoding: pb.DecodingOptions) -> None:
    """Print the log-probability of each line's translation, the mean of its tokens, and the line; blank lines stay
    blank.

    Raises ValueError for a line that is not a text, a tab and its translation.
    """
    for chunk in _chunks(lines, LINES_PER_CALL):
        pairs = [_pair(line) for line in chunk if line.strip()]
        alignment = decoding.return_alignment
        scores = iter(client.score(pairs, model=model, return_alignment=alignment) if pairs else [])
        for line in chunk:
            if not line.strip():
                print(flush=True)
                continue
            score = next(scores)
            columns = [f"{score.log_prob:.4f}", f"{score.score:.4f}", line]
            if decoding.return_alignment:
                columns.append(score.word_alignment)
            if decoding.return_token_scores:
                columns.append(_token_scores(score.tokens))
            print("\t".join(columns), flush=True)


def stream_lines(client: Client, lines: Iterable[str], model: str, decoding: pb.DecodingOptions) -> None:
    """Print the text of one line after the other as it is decoded."""
    for line in lines:
        for message in client.stream(line, model=model, decoding=decoding) if line.strip() else []:
            print(message.text_delta, end="", flush=True)
        print()


def compare_models(client: Client, lines: Iterable[str], decoding: pb.DecodingOptions) -> None:
    """Print every model's translation of each line, with the time of the whole call."""
    names = [model.name for model in client.list_models()]
    width = max(map(len, names))
    for line in lines:
        if not line.strip():
            continue
        print(line)
        for name in names:
            started = time.perf_counter()
            translation = client.translate(line, model=name, decoding=decoding)
            milliseconds = 1000 * (time.perf_counter() - started)
            print(f"  {name:{width}}  {milliseconds:7.1f} ms  {translation.translated_text}", flush=True)


def print_models(client: Client) -> None:
    """Print what the server serves: a line for each model, and one for each of its quality scores."""
    for model in client.list_models():
        pairs = ", ".join(f"{pair.source_language_code}-{pair.target_language_code}" for pair in model.language_pairs)
        facts = [f"version {model.versions[-1]}", model.architecture, pairs, model.precision]
        facts += ["alignments"] * model.has_alignment + ["shortlist"] * model.has_shortlist
        facts += [f"glossary {name}" for name in model.glossaries]
        facts += ["the default"] * model.is_default
        print(f"{model.name}  {', '.join(facts)}")
        for score in model.quality_scores:
            print(f"  {score.test_set}: {score.value:.1f} ({score.metric})")


def _columns(hypothesis: pb.Hypothesis, number: int, decoding: pb.DecodingOptions) -> list[str]:
    """The hypothesis's text; before it the number of its line and its score, where a line may have several; behind it
    the alignment and the tokens' scores, where they were asked for."""
    columns = [hypothesis.translated_text]
    if decoding.num_hypotheses > 1:
        columns = [str(number), f"{hypothesis.score:.4f}", *columns]
    if decoding.return_alignment:
        columns.append(hypothesis.word_alignment)
    if decoding.return_token_scores:
        columns.append(_token_scores(hypothesis.tokens))
    return columns


def _token_scores(tokens: Iterable[pb.OutputToken]) -> str:
    return " ".join(f"{token.token}:{token.log_prob:.3f}" for token in tokens)


def _pair(line: str) -> tuple[str, str]:
    content, tab, translation = line.partition("\t")
    if not tab:
        raise ValueError(f"a text, a tab and its translation expected, got {line[:80]!r}")
    return content, translation


def _chunks(lines: Iterable[str], size: int) -> Iterable[list[str]]:
    """Lists of at most `size` lines."""
    chunk: list[str] = []
    for line in lines:
        chunk.append(line)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
