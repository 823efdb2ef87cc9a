"""From a finished training to the checkpoint that is shipped: weights in fp16, recipe, curves, and a model card.

    python -m models.release runs/transformer-en-fr checkpoints/transformer-en-fr

The card's figures are read from the run, and measured on the test sets.
"""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch

from models.checkpoint import CHECKSUMS, METRICS, CheckpointError, load_checkpoint, read_metrics, save_model
from models.config import Config, ConfigError, DataConfig
from models.data.corpora import CorpusError, data_folder, read_tests
from models.data.licences import licence_notes, licence_of_weights
from models.data.made import MADE
from models.data.training_text import sources_of
from models.evaluate import evaluate, markdown, open_system

CARD = """# {name}, {source} to {target}

{about}

Architecture `{architecture}`.

| | |
|---|---|
| parameters | {parameters:.2f} million, here in fp16 |
| vocabulary | {vocabulary:,} SentencePiece pieces, shared by both languages |
| training | {steps:,} steps, {tokens:,} target tokens, {minutes:,.0f} minutes of wall time |
| recipe | {recipe}; curves in `curves.png` |

## Data and licence

{data}

The weights are not under the licence of the code: {licence}, which is what the licences of these corpora ask for.

{notes}

## Quality

Of these weights, greedy, in PyTorch; docs/quality.md has what the int8 graphs of the server reach.

{quality}

## Use

Short everyday sentences and image captions, and comparing architectures. Not for documents, names, numbers that matter,
or any text whose mistranslation does harm: the training data are small, and whatever they lack comes out wrong with the
same confidence.
"""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m models.release", description="Make a checkpoint to be shipped.")
    parser.add_argument("run", type=Path, help="a finished training's folder, e.g. runs/transformer-en-fr")
    parser.add_argument("checkpoint", type=Path, help="e.g. checkpoints/transformer-en-fr; replaced")
    parser.add_argument("--data", type=Path, help="the corpora's folder (default: $SEQ2SERVE_DATA, else data)")
    arguments = parser.parse_args()
    try:
        release(arguments.run, arguments.checkpoint, data_folder(arguments.data))
    except (CheckpointError, ConfigError, CorpusError) as error:
        sys.exit(f"error: {error}")
    print(f"wrote {arguments.checkpoint}; export it with: python -m export {arguments.checkpoint} <bundle>")


def release(run: Path, checkpoint: Path, data: Path) -> None:
    """Make a checkpoint of a finished training. Raises CheckpointError, ConfigError or CorpusError, before the earlier
    checkpoint is touched."""
    if not (run / CHECKSUMS).exists():
        raise CheckpointError(f"{run} has no {CHECKSUMS}: the training is not finished with its config, give it again")
    config, model, tokenizer = load_checkpoint(run)
    if not read_metrics(run):
        raise CheckpointError(f"{run / METRICS} is missing: the card tells how the model was trained")
    tests = read_tests(data, direction=config.data.direction)
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=checkpoint.parent, prefix=".release-") as name:
        folder = Path(name) / checkpoint.name
        folder.mkdir()
        for pattern in ("config*.toml", "tokenizer.model", "metrics.jsonl", "curves.png"):
            for path in run.glob(pattern):
                shutil.copyfile(path, folder / path.name)
        save_model(model.state_dict(), folder, torch.float16)
        _, translator = open_system(str(folder))
        quality = markdown(evaluate({checkpoint.name: translator}, tests, config.data.target_language))
        facts = {
            "about": (sys.modules[type(model).__module__].__doc__ or "").splitlines()[0],
            "parameters": sum(parameter.numel() for parameter in model.parameters()) / 1e6,
            "vocabulary": tokenizer.get_piece_size(),
            "quality": quality,
        }
        (folder / "MODEL_CARD.md").write_text(model_card(folder, config, facts), encoding="utf-8")
        if checkpoint.exists():
            checkpoint.rename(Path(name) / "replaced")
        folder.rename(checkpoint)


def model_card(folder: Path, config: Config, facts: dict[str, Any]) -> str:
    sources = sources_of(config.data)
    last = read_metrics(folder)[-1]
    phases = sorted(folder.glob("config.until-*.toml"), key=lambda path: int(path.stem.rpartition("-")[2]))
    recipe = ", ".join(f"`{path.name}`" for path in (*phases, folder / "config.toml"))
    return CARD.format(
        name=folder.name,
        source=config.data.source_language,
        target=config.data.target_language,
        architecture=config.architecture,
        steps=last["step"],
        tokens=last["target_tokens"],
        minutes=last["seconds"] / 60,
        recipe=f"{recipe}, one after the other" if phases else recipe,
        data=training_data(config.data),
        licence=licence_of_weights(sources),
        notes=licence_notes(sources),
        **facts,
    )


def training_data(settings: DataConfig) -> str:
    """In words: what is trained on in which shares."""
    total = sum(settings.mix.values())
    shares = ", ".join(f"{name} {share / total:.0%}" for name, share in settings.mix.items())
    said = [f"Shares of the training text: {shares}."]
    made = [name for name in settings.mix if name in MADE]
    if made:
        said.append(f"What is called {', '.join(made)} is this project's own (CC0).")
    if settings.distilled:
        said.append(
            f"Of the pairs, {settings.distilled_share:.0%} have a teacher's translation for a target (sequence-level "
            "distillation, Kim and Rush 2016)."
        )
    said.append("No sentence of a test set is trained on.")
    return " ".join(said)


if __name__ == "__main__":
    main()
