"""What the command line can do: each command takes lines, asks the server, and writes the answers in their place.

A blank line stays as it is, without a call; so does one that is bad, which is named on standard error. Every command
raises TranslationError, with a note of the line that it came to, and OSError.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from itertools import chain, islice
from typing import TypeVar

from seq2serve.calls import Calls
from seq2serve.client import Client
from seq2serve.errors import TranslationError
from seq2serve.in_order import in_order
from seq2serve.lines import BadLine, Batch, Line, cut
from seq2serve.output import Output
from seq2serve.pb import translation_pb2 as pb

_CALLS_AT_A_TIME = 4
"""Enough that the server always has a call to work on, while others are on their way."""

_MAX_PAIRS = 6
"""Language pairs of a model that are listed one by one."""

_Item = TypeVar("_Item")
_Answer = TypeVar("_Answer")

_NewLines = list[str] | BadLine
"""What takes a line's place, or why it stays."""


def translate_lines(calls: Calls, chunks: Iterable[Batch], output: Output) -> None:
    """Write one line for each line, or one for each of its hypotheses. A line longer than what the server takes is
    translated in pieces, unless more than its text is asked for."""
    decoding = calls.decoding
    shows_more = decoding.num_hypotheses > 1 or decoding.return_alignment or decoding.return_token_scores

    def translate_chunk(lines: Batch) -> list[_NewLines]:
        if not shows_more:
            return _translate_texts(calls, lines)
        return _ask(lines, lambda line: [line.text], calls.translate, hypotheses)

    def hypotheses(line: Line, translations: list[pb.Translation]) -> list[str]:
        return ["\t".join(_columns(one, line, decoding)) for one in translations[0].hypotheses]

    _write_in_order(translate_chunk, chunks, output)


def score_lines(calls: Calls, chunks: Iterable[Batch], output: Output) -> None:
    """Write the log-probability of each line's translation, the mean of its tokens, and the line."""

    def columns(line: Line, scores: list[pb.PairScore]) -> list[str]:
        score = scores[0]
        columns = [f"{score.log_prob:.4f}", f"{score.score:.4f}", line.text]
        if calls.decoding.return_alignment:
            columns.append(score.word_alignment)
        if calls.decoding.return_token_scores:
            columns.append(_token_scores(score.tokens))
        return ["\t".join(columns)]

    _write_in_order(lambda lines: _ask(lines, _pairs, calls.score, columns), chunks, output)


def stream_lines(calls: Calls, batches: Iterable[Batch], output: Output) -> None:
    """Write the text of one line after the other as it is decoded."""
    for line in chain.from_iterable(batches):
        try:
            pieces = _pieces(calls, line)
        except BadLine as problem:
            output.write_line(line, problem)
        else:
            output.write(line.start)
            for piece in pieces:
                _stream_piece(calls, line, piece, output)
            output.write(line.end)
        output.flush()


def compare_models(calls: Calls, batches: Iterable[Batch], output: Output) -> None:
    """Write every line, and below it each model's translation with the time that it took."""
    calls_by_model = calls.of_each_model()
    width = max(map(len, calls_by_model), default=0)
    for line in chain.from_iterable(batches):
        if not line.body.strip():
            continue
        output.write(line.raw if line.end else line.raw + b"\n")
        for name, calls_of_one in calls_by_model.items():
            started = time.perf_counter()
            with _noting(line):
                [translated] = _translate_texts(calls_of_one, [line])
            milliseconds = 1000 * (time.perf_counter() - started)
            if isinstance(translated, BadLine):
                output.complain(line, translated)
                break
            output.write(f"  {name:{width}}  {milliseconds:7.1f} ms  {translated[0]}\n")
            output.flush()
        output.flush()


def print_models(client: Client, output: Output) -> None:
    """Write what the server serves: a line for each model, for each of its quality scores, for the licence of its
    weights, and for what they were trained on."""
    for model in client.list_models():
        facts = [f"version {model.versions[-1]}", model.architecture, _languages(model), model.precision]
        facts += ["alignments"] * model.has_alignment + ["shortlist"] * model.has_shortlist
        facts += [f"glossary {name}" for name in model.glossaries]
        facts += ["the default"] * model.is_default
        output.write(f"{model.name}  {', '.join(facts)}\n")
        for score in model.quality_scores:
            output.write(f"  {score.test_set}: {score.value:.1f} ({score.metric})\n")
        if model.licence:
            output.write(f"  licence of the weights: {model.licence}\n")
        for text in model.training_texts:
            output.write(f"  trained on {text.name}: {text.licence}\n")
    output.flush()


def _languages(model: pb.Model) -> str:
    """A model's language pairs, or, where they are many, what it translates from and into."""
    pairs = [f"{pair.source_language_code}-{pair.target_language_code}" for pair in model.language_pairs]
    if 0 < len(pairs) <= _MAX_PAIRS:
        return ", ".join(pairs)
    return f"from {' '.join(model.source_language_codes)} into {' '.join(model.target_language_codes)}"


def _write_in_order(work: Callable[[Batch], list[_NewLines]], chunks: Iterable[Batch], output: Output) -> None:
    with closing(in_order(work, chunks, _CALLS_AT_A_TIME)) as answered:
        for chunk, answer in answered:
            with _noting(chunk[0]):
                new_lines = answer.result()
            for line, new in zip(chunk, new_lines, strict=True):
                output.write_line(line, new)
            output.flush()  # it may be long until the next ones come


def _stream_piece(calls: Calls, line: Line, piece: str, output: Output) -> None:
    try:
        with _noting(line):
            for text in calls.stream(piece) if piece.strip() else [piece]:
                output.write(_as_in(line, text))
                output.flush()
    except BadLine as problem:  # before any of its text
        output.complain(line, problem)
        output.write(piece)


def _translate_texts(calls: Calls, lines: Batch) -> list[_NewLines]:
    """The text of each line's translation."""

    def put_together(line: Line, translations: list[pb.Translation]) -> list[str]:
        texts = (translation.translated_text for translation in translations)
        return [_as_in(line, "".join(next(texts) if piece.strip() else piece for piece in _pieces(calls, line)))]

    return _ask(lines, lambda line: filter(str.strip, _pieces(calls, line)), calls.translate, put_together)


def _ask(
    lines: Batch,
    items_of: Callable[[Line], Iterable[_Item]],
    ask: Callable[[list[_Item]], list[_Answer | BadLine]],
    new_lines: Callable[[Line, list[_Answer]], list[str]],
) -> list[_NewLines]:
    """What takes each line's place: `items_of` a line are asked for, together with all others' of the chunk, and
    `new_lines` are made of their answers."""
    asked = [_items(line, items_of) for line in lines]
    answers = iter(ask(list(chain.from_iterable(items for items in asked if not isinstance(items, BadLine)))))
    made: list[_NewLines] = []
    for line, items in zip(lines, asked, strict=True):
        if isinstance(items, BadLine):
            made.append(items)
            continue
        own: list[_Answer] = []
        problems: list[BadLine] = []
        for answer in islice(answers, len(items)):
            if isinstance(answer, BadLine):
                problems.append(answer)
            else:
                own.append(answer)
        made.append(problems[0] if problems else new_lines(line, own) if items else [line.text])
    return made


def _items(line: Line, items_of: Callable[[Line], Iterable[_Item]]) -> list[_Item] | BadLine:
    """None of a blank line."""
    try:
        return list(items_of(line)) if line.text.strip() else []
    except BadLine as problem:
        return problem


def _pieces(calls: Calls, line: Line) -> list[str]:
    """Contents, and the white space between them. Raises BadLine."""
    return cut(line.text, calls.max_characters, calls.cuts)


def _pairs(line: Line) -> list[tuple[str, str]]:
    """One. Raises BadLine."""
    content, tab, translation = line.text.partition("\t")
    if not tab:
        raise BadLine("a text, a tab and its translation expected")
    return [(content, translation)]


def _columns(hypothesis: pb.Hypothesis, line: Line, decoding: pb.DecodingOptions) -> list[str]:
    """The hypothesis's text; before it the number of its line, from 0 as in Moses, and its score, where a line may have
    several; behind it the alignment and the tokens' scores, where they were asked for."""
    columns = [_as_in(line, hypothesis.translated_text)]
    if decoding.num_hypotheses > 1:
        columns = [str(line.number - 1), f"{hypothesis.score:.4f}", *columns]
    if decoding.return_alignment:
        columns.append(hypothesis.word_alignment)
    if decoding.return_token_scores:
        columns.append(_token_scores(hypothesis.tokens))
    return columns


def _token_scores(tokens: Iterable[pb.OutputToken]) -> str:
    return " ".join(f"{token.token}:{token.log_prob:.3f}" for token in tokens)


def _as_in(line: Line, translation: str) -> str:
    """A translation that is one line where the source is."""
    return translation if b"\n" in line.body else translation.replace("\n", " ")


@contextmanager
def _noting(line: Line) -> Iterator[None]:
    """What ends the command says which line it came to, where others have gone before."""
    try:
        yield
    except TranslationError as error:
        if line.number > 1:
            error.add_note(f"at {line.place}")
        raise
