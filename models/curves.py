"""A plot of a run's metrics: loss, and validation BLEU by corpus, over the steps."""

import json
import math
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib.figure import Figure


def plot_curves(metrics: Path, image: Path) -> None:
    records = [json.loads(line) for line in metrics.read_text(encoding="utf-8").splitlines()]
    steps = [record["step"] for record in records]
    figure = Figure(figsize=(9, 3.5), layout="constrained")
    loss, bleu = figure.subplots(1, 2)
    loss.plot(steps, [record["train_loss"] for record in records], marker=".")
    loss.set(xlabel="step", ylabel="training loss a token (nats, label smoothed)")
    for corpus in dict.fromkeys(corpus for record in records for corpus in record["bleu"]):
        bleu.plot(steps, [record["bleu"].get(corpus, math.nan) for record in records], marker=".", label=corpus)
    bleu.set(xlabel="step", ylabel="validation BLEU (greedy, cased)")
    bleu.legend()
    figure.savefig(image, dpi=100)
