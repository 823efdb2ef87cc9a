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

from models.checkpoint import CheckpointError, load_checkpoint, read_metrics, save_model
from models.config import Config, ConfigError
from models.data.corpora import CorpusError, data_folder, read_tests
from models.data.training_text import sources_of
from models.evaluate import evaluate, markdown, open_system

CARD = """# {name}, {source} to {target}

{about}

Architecture `{architecture}`.

| | |
|---|---|
| parameters | {parameters:.2f} million, here in fp16 |
| vocabulary | {vocabulary:,} SentencePiece pieces, shared by both languages and all models |
| training | {steps:,} steps, {tokens:,} target tokens, {hours:.1f} hours of wall time |
| recipe | {recipe}; curves in `curves.png` |

## Data

{data}

How often each is read in an epoch is in the recipe. No sentence of a test set is trained on.

## Quality

Of these weights, greedy, in PyTorch; docs/quality.md has what the int8 graphs of the server reach.

{quality}

## Use

Short everyday sentences and image captions, and comparing architectures. Not for documents, names, numbers that matter,
or any text whose mistranslation does harm: the training data are small, and whatever they lack comes out wrong with the
same confidence. Multi30k's licence limits the weights to research.
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
    config, model, tokenizer = load_checkpoint(run)
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
        hours=last["seconds"] / 3600,
        recipe=f"{recipe}, one after the other" if phases else recipe,
        data="\n".join(
            f"- {name} ({source.domain}): {source.licence}" for name, source in sources_of(config.data).items()
        ),
        **facts,
    )


if __name__ == "__main__":
    main()
