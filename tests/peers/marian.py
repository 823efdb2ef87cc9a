"""Small models of every kind that Marian trains, in Marian and imported: scores and greedy translations.

It takes PyPI's pymarian (600 MB), whose command is looked for in the environment's variable PYMARIAN, then in the path.
A model is trained in seconds on made pairs; what it has learned does not matter.
"""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from export.checkpoints.firefox import read as read_bin
from export.checkpoints.imported import Imported
from export.checkpoints.marian_npz import read
from tests.export.checkpoints.fixtures import pairs
from tests.export.checkpoints.marian_runs import greedy, load_model, score

MAX_DIFFERENCE = 1e-3
"""Nats, of a sentence."""

NUM_BATCHES = 60

_PRE_NORM = (
    *("--transformer-preprocess", "n", "--transformer-postprocess", "da", "--transformer-postprocess-top", "n"),
)
_SSRU = ("--transformer-decoder-autoreg", "rnn", "--dec-cell", "ssru")

KINDS: dict[str, tuple[str, ...]] = {
    "post-norm, all tied, swish": ("--tied-embeddings-all",),
    "nothing tied, relu": ("--transformer-ffn-activation", "relu"),
    "pre-norm, output tied, gelu": (*_PRE_NORM, "--tied-embeddings", "--transformer-ffn-activation", "gelu"),
    "pre-norm without a last norm": (*_PRE_NORM[:4], "--tied-embeddings-all"),
    "normalised embeddings, source tied": ("--transformer-postprocess-emb", "nd", "--tied-embeddings-src"),
    "without output bias, another width": ("--output-omit-bias", "--transformer-decoder-dim-ffn", "96"),
    "learned positions asked for": ("--transformer-train-position-embeddings", "--tied-embeddings-all"),
    "an SSRU": (*_SSRU, "--tied-embeddings-all", "--transformer-ffn-activation", "relu"),
    "an SSRU, pre-norm": (*_SSRU, *_PRE_NORM, "--tied-embeddings-all"),
}
"""Options of `marian train`."""

NOT_DECODED_ALIKE = frozenset({"pre-norm, output tied, gelu", "pre-norm without a last norm"})
"""Kinds whose `marian decode` computes something else than `marian score` and the training do: of positions behind the
first, it takes keys and values of self-attention from what is not normalised."""


def compare() -> list[str]:
    """What differs, in words; also prints how much each kind does."""
    command = pymarian()
    if command is None:
        return ["marian: no command pymarian, and none in the variable PYMARIAN"]
    problems = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pairs.main(folder)
        for index, (kind, options) in enumerate(KINDS.items()):
            model = train(command, folder, str(index), options)
            problems += [f"marian: {kind}: {problem}" for problem in _compare(command, folder, model, kind)]
    return problems


def pymarian() -> str | None:
    return os.environ.get("PYMARIAN") or shutil.which("pymarian")


def train(command: str, folder: Path, name: str, options: tuple[str, ...]) -> Path:
    """A folder with a model of `pairs`, and with `vocab.spm`."""
    model = folder / name
    model.mkdir()
    vocabulary = folder / "vocab.spm"
    run(
        command,
        *("train", "--type", "transformer", "--model", model / "model.npz"),
        *("--train-sets", folder / "pairs.en", folder / "pairs.fr", "--vocabs", vocabulary, vocabulary),
        *("--dim-vocabs", 480, 480, "--sentencepiece-options", "--normalization_rule_name=identity"),
        *("--dim-emb", 32, "--enc-depth", 2, "--dec-depth", 2, "--transformer-heads", 4, "--transformer-dim-ffn", 64),
        *("--mini-batch", 64, "--learn-rate", 0.003, "--after-batches", NUM_BATCHES, "--seed", 1),
        *("--cpu-threads", 1, "--workspace", 300, "--quiet", *options),
    )
    shutil.copy(vocabulary, model)
    return model


def run(command: str, *arguments: object) -> str:
    """The output of a command of Marian; raises CalledProcessError."""
    finished = subprocess.run([command, *map(str, arguments)], check=True, capture_output=True, text=True)
    return finished.stdout


def _compare(command: str, folder: Path, model: Path, kind: str) -> list[str]:
    english, french = (folder / f"sentences.{code}" for code in ("en", "fr"))
    texts = ("--cpu-threads", 1, "--quiet", "-m", model / "model.npz", "-v", folder / "vocab.spm", folder / "vocab.spm")
    scores = [float(line) for line in run(command, "score", *texts, "-t", english, french).split()]
    outputs = run(command, "decode", *texts, "-i", english, "-b", 1).removesuffix("\n").split("\n")
    imported = read(model, ("en", "fr"), "own")
    network = load_model(imported)
    sources, targets = (path.read_text("utf-8").splitlines() for path in (english, french))
    ours = [score(network, imported, *pair) for pair in zip(sources, targets, strict=True)]
    largest = max(abs(left - right) for left, right in zip(ours, scores, strict=True))
    num_equal = sum(
        greedy(network, imported, source) == output for source, output in zip(sources, outputs, strict=True)
    )
    of_binary = _binary_difference(command, model, imported, sources, targets, ours)
    print(f"{kind}: {largest:.1e} nats, {num_equal} of {len(sources)} outputs, int8 {of_binary:.2f} nats", flush=True)
    problems = []
    if largest > MAX_DIFFERENCE:
        problems.append(f"scores differ by {largest:.1e} nats, at most {MAX_DIFFERENCE} expected")
    if num_equal < len(sources) and kind not in NOT_DECODED_ALIKE:
        problems.append(f"{num_equal} of {len(sources)} greedy translations are the same")
    if of_binary > 0.02 * max(map(abs, scores)):
        problems.append(f"scores of its int8 differ by {of_binary:.2f} nats")
    return problems


def _binary_difference(
    command: str, model: Path, imported: Imported, sources: list[str], targets: list[str], scores: list[float]
) -> float:
    """By how much scores differ, in nats, when the model comes from Marian's own int8 file."""
    run(command, "convert", "-f", model / "model.npz", "-t", model / "model.enfr.bin", "-g", "intgemm8")
    binary = read_bin(model, None, "own")
    assert binary.settings == imported.settings
    network = load_model(binary)
    ours = [score(network, binary, *pair) for pair in zip(sources, targets, strict=True)]
    return max(abs(left - right) for left, right in zip(ours, scores, strict=True))
