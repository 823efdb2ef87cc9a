"""Measure whether finished bundles carry protected spans through by themselves: their graphs, as they are served, but
without anything that a server does about spans.

    python -m export.evaluate_spans model_repository/transformer-en-fr/1

`models.evaluate_spans` says what is measured.
"""

import argparse
import dataclasses
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from export.session import GraphSession
from models.evaluate_spans import NoSpanPieces, report, span_ids, translate_spans
from models.seq2seq import StateTensor
from models.span_sentences import SpanSentence, span_sentences
from models.tokenizer import load_tokenizer
from server.bundle.manifest import SHORTLIST, Bundle, BundleError, read_bundle
from server.bundle.shortlist import Shortlist, read_shortlist


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m export.evaluate_spans", description="Measure what becomes of spans."
    )
    parser.add_argument("bundles", nargs="+", type=Path, help="<model repository>/<model name>/<version>")
    arguments = parser.parse_args()
    sentences = span_sentences()
    try:
        for folder in arguments.bundles:
            print(report(str(folder), sentences, translate_bundle(read_bundle(folder), sentences)))
    except (BundleError, NoSpanPieces) as error:
        sys.exit(f"error: {error}")


def translate_bundle(bundle: Bundle, sentences: Sequence[SpanSentence]) -> list[str]:
    """What the bundle's graphs write of sentences: greedily, from the shortlist if the bundle has one. Raises
    NoSpanPieces."""
    state = [StateTensor(spec.name, spec.kind, spec.shape) for spec in bundle.manifest.state]
    session = GraphSession(bundle.encoder, bundle.step, state)
    tokenizer = load_tokenizer(bundle.tokenizer)
    shortlist = None
    if bundle.manifest.has_shortlist:
        shortlist = with_own_ids(read_shortlist(bundle.path(SHORTLIST)), span_ids(tokenizer))
    return translate_spans(partial(session.decode, shortlist=shortlist), tokenizer, sentences)


def with_own_ids(shortlist: Shortlist, ids: Sequence[int]) -> Shortlist:
    """A shortlist by which a source that has one of these ids may be translated with it, whatever was found likely."""
    own = np.full((len(shortlist.candidates), 1), -1)
    own[list(ids), 0] = ids
    return dataclasses.replace(shortlist, candidates=np.hstack([shortlist.candidates, own]))


if __name__ == "__main__":
    main()
