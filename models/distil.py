"""Translate the training text by a teacher, for students to learn from (Kim and Rush 2016, sequence-level).

    python -m models.distil models/configs/lstm-en-fr.toml runs/transformer-en-fr runs/distilled-en-fr.tsv.gz

The teacher is a finished model's folder, or `NAME=COMMAND` as for `models.evaluate`. A training reads the file that its
config's `data.distilled` names.
"""

import argparse
import dataclasses
import gzip
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from models.checkpoint import CheckpointError
from models.config import ConfigError, load_config
from models.data.corpora import CorpusError, data_folder
from models.data.made import MADE
from models.data.training_text import TextPair, TrainingText, read_training_text
from models.evaluate import Translator, TranslatorError, open_system
from models.span_characters import find_spans

_SELDOM = 0.2
"""Of how often the average sentence is drawn: what is drawn less often is not translated."""

_EXACT = (*MADE, "synthetic")
"""Domains whose translations were written with their sentences: a teacher would only make them worse."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m models.distil", description="Translate a training's text.")
    parser.add_argument("config", type=Path, help="whose training text is translated")
    parser.add_argument("teacher", help="a finished model's folder, or NAME=COMMAND")
    parser.add_argument("output", type=Path, help="e.g. runs/distilled-en-fr.tsv.gz")
    parser.add_argument("--data", type=Path, help="the corpora's folder (default: $SEQ2SERVE_DATA, else data)")
    arguments = parser.parse_args()
    try:
        _, teacher = open_system(arguments.teacher, direction=load_config(arguments.config).data.direction)
        distil(arguments.config, teacher, data_folder(arguments.data), arguments.output)
    except (CheckpointError, ConfigError, CorpusError, TranslatorError) as error:
        sys.exit(f"error: {error}")


def distil(config: Path, teacher: Translator, data: Path, output: Path) -> None:
    """Write the teacher's translation of the source sentences of a training that it will often see, once each:
    gzip, in each line a sentence, a tab and its translation. Left out are those that do not have each protected span of
    their source once. Raises ConfigError, CorpusError or TranslatorError."""
    settings = load_config(config)
    own_text = dataclasses.replace(settings.data, distilled="")
    text, _ = read_training_text(data, own_text, settings.training.seed)
    sources = list(dict.fromkeys(pair.source for pairs in often_drawn(text, own_text.mix) for pair in pairs))
    translations = teacher(sources)
    output.parent.mkdir(parents=True, exist_ok=True)
    num_written = 0
    unfinished = output.with_suffix(".part")
    with gzip.open(unfinished, "wt", encoding="utf-8", newline="\n") as file:
        for source, translation in zip(sources, translations, strict=True):
            carried = sorted(find_spans(source)) == sorted(find_spans(translation))
            if carried and translation.strip() and "\t" not in source + translation:
                num_written += 1
                file.write(f"{source}\t{translation}\n")
    unfinished.replace(output)
    print(f"wrote {output}: translations of {num_written:,} of {len(sources):,} sentences")


def often_drawn(text: TrainingText, mix: Mapping[str, float]) -> Iterator[Sequence[TextPair]]:
    """The pairs of each domain that a teacher may better, and whose sentences are drawn not much less often than
    others: a large domain of a small share is hardly read once, and its long sentences would take most of a teacher's
    time."""
    total = sum(map(len, text.domains.values()))
    for name, pairs in text.domains.items():
        if name not in _EXACT and mix[name] / sum(mix.values()) >= _SELDOM * len(pairs) / total:
            yield pairs


if __name__ == "__main__":
    main()
