"""Score translation systems on every test set.

    python -m models.evaluate checkpoints/transformer-en-fr checkpoints/lstm-en-fr
    python -m models.evaluate transformer="python -m seq2serve --model transformer-en-fr"
    python -m models.evaluate --by-length checkpoints/lstm-en-fr checkpoints/lstm-attention-en-fr

A system is a checkpoint's folder, which PyTorch decodes, or `NAME=COMMAND`: a command that reads one sentence
a line and writes one translation a line, so that a running server, and any other translator, is measured alike.
"""

import argparse
import bisect
import itertools
import json
import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from tqdm import tqdm

from models.beam_search import BeamOptions, beam_search
from models.checkpoint import CheckpointError, load_checkpoint
from models.config import ConfigError
from models.data.corpora import LANGUAGES, REPORTED, Corpus, CorpusError, Direction, data_folder, read_tests
from models.data.training_text import read_validation
from models.greedy import batch_size, greedy_decode, translate
from models.metrics import Score, score_all

Translator = Callable[[Sequence[str]], list[str]]

LENGTHS = (8, 12, 16, 20)
"""Most words of a source sentence in each group of `--by-length`; the last group has all longer ones."""


class TranslatorError(Exception):
    """A command that failed, or did not answer line by line."""


@dataclass(frozen=True)
class Result:
    system: str
    test_set: str
    scores: list[Score]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m models.evaluate", description="Score translation systems.")
    parser.add_argument("systems", nargs="+", help="checkpoint folders, or NAME=COMMAND")
    parser.add_argument("--data", type=Path, help="the corpora's folder (default: $SEQ2SERVE_DATA, else data)")
    parser.add_argument("--by-length", action="store_true", help="score sources of like length together")
    parser.add_argument(
        "--direction", default="-".join(LANGUAGES), choices=("en-fr", "fr-en"), help="(default: %(default)s)"
    )
    parser.add_argument(
        "--corpora", nargs="+", help=f"whose test sets are scored, of sources.toml (default: {' '.join(REPORTED)})"
    )
    parser.add_argument("--validation", action="store_true", help="the validation sets, of training's names, instead")
    parser.add_argument("--beam-size", type=int, default=1, help="of checkpoints; 1, the default, is greedy")
    parser.add_argument("--output", type=Path, default=Path("build/quality.json"))
    arguments = parser.parse_args()
    if arguments.beam_size < 1:
        parser.error(f"--beam-size: at least 1 expected, got {arguments.beam_size}")
    try:
        direction = Direction(*arguments.direction.split("-"))
        systems = [open_system(system, arguments.beam_size, direction) for system in arguments.systems]
        translators = dict(systems)
        if len(translators) < len(systems):
            parser.error(f"systems: names that differ expected, got {', '.join(name for name, _ in systems)}")
        data = data_folder(arguments.data)
        if arguments.validation:
            tests = choose_validation(read_validation(data, direction), arguments.corpora)
        else:
            tests = read_tests(data, direction, arguments.corpora or REPORTED)
        results = evaluate(translators, by_length(tests) if arguments.by_length else tests, direction.target)
    except (CheckpointError, ConfigError, CorpusError, TranslatorError) as error:
        sys.exit(f"error: {error}")
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps([asdict(result) for result in results], indent=2) + "\n", encoding="utf-8")
    print(markdown(results))


def open_system(argument: str, beam_size: int = 1, direction: Direction | None = None) -> tuple[str, Translator]:
    """Name and translator of one system. Raises CheckpointError or ConfigError, also for a checkpoint that does not
    translate in the `direction`, if one is given."""
    name, equals, command = argument.partition("=")
    if equals:
        return name, lambda sources: pipe(shlex.split(command), sources)
    config, model, tokenizer = load_checkpoint(Path(argument))
    if direction not in (None, config.data.direction):
        raise ConfigError(f"{argument} translates {'-'.join(config.data.direction)}, {'-'.join(direction)} expected")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.set_float32_matmul_precision("high")  # a GPU's: ten bits are enough, and several times faster
    model.to(device)
    options = BeamOptions(beam_size=beam_size)

    def decode(sources: Sequence[Sequence[int]]) -> list[list[int]]:
        if beam_size == 1:
            return greedy_decode(model, sources)
        return [beam_search(model, source, options)[0].ids for source in sources]

    return argument.rstrip("/"), lambda sources: translate(decode, tokenizer, sources, batch_size(device))


def choose_validation(sets: dict[str, Corpus], names: Sequence[str] | None) -> dict[str, Corpus]:
    """Those of the validation sets that are named, or all. Raises CorpusError."""
    for name in names or ():
        if name not in sets:
            raise CorpusError(f"validation set: one of {', '.join(sets)} expected, got {name!r}")
    return {name: sets[name] for name in names or sets}


def pipe(command: list[str], sources: Sequence[str]) -> list[str]:
    """Translate sentences through a command's standard input and output. Raises TranslatorError."""
    try:
        done = subprocess.run(
            command, input="\n".join(sources) + "\n", capture_output=True, encoding="utf-8", check=False
        )
    except OSError as error:
        raise TranslatorError(f"{shlex.join(command)}: {error}") from error
    lines = done.stdout.removesuffix("\n").split("\n")
    if done.returncode:
        raise TranslatorError(f"{shlex.join(command)}: exit status {done.returncode}: {done.stderr.strip()}")
    if len(lines) != len(sources):
        raise TranslatorError(f"{shlex.join(command)}: {len(sources)} lines in, {len(lines)} lines out")
    return lines


def by_length(tests: Mapping[str, Corpus]) -> dict[str, Corpus]:
    """The test sets' sentences, in groups by corpus and by the number of words in the source."""
    groups: dict[tuple[str, int], Corpus] = {}
    for name, test in tests.items():
        corpus, _, _ = name.partition("/")
        for source, target, references in zip(*test, strict=True):
            length = bisect.bisect_left(LENGTHS, len(source.split()))
            group = groups.setdefault((corpus, length), Corpus([], [], []))
            group.sources.append(source)
            group.targets.append(target)
            group.references.append(references)
    names = [f"up to {LENGTHS[0]} words", *(f"{low + 1} to {high}" for low, high in itertools.pairwise(LENGTHS))]
    names.append(f"more than {LENGTHS[-1]}")
    return {f"{corpus}, {names[length]}": group for (corpus, length), group in sorted(groups.items())}


def evaluate(translators: Mapping[str, Translator], tests: Mapping[str, Corpus], language: str) -> list[Result]:
    """Score every system on every test set; language: the code of the language that is translated into."""
    results = []
    for system, translator in translators.items():
        for name, test in tqdm(tests.items(), desc=system, unit="test set"):
            results.append(Result(system, name, score_all(translator(test.sources), test.references, language)))
    return results


def markdown(results: Sequence[Result]) -> str:
    """A table of all results, and the signatures of the scores in it."""
    metrics = [score.metric for score in results[0].scores]
    lines = [f"| system | test set | {' | '.join(metrics)} |", "|---" * (len(metrics) + 2) + "|"]
    for result in results:
        cells = [f"{score.value:.1f} ± {score.interval:.1f}" for score in result.scores]
        lines.append(f"| {result.system} | {result.test_set} | {' | '.join(cells)} |")
    lines += ["", "± is half of the 95 % confidence interval, by bootstrap resampling.", ""]
    signatures: dict[tuple[str, str], list[str]] = {}
    for result in results:
        for score in result.scores:
            signatures.setdefault((score.metric, score.signature), []).append(result.test_set)
    for (metric, signature), test_sets in sorted(signatures.items()):
        lines.append(f"- {metric}: `{signature}` ({', '.join(dict.fromkeys(test_sets))})")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
