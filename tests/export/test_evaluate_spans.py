import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest

from export.evaluate_spans import translate_bundle, with_own_ids
from models.evaluate_spans import NoSpanPieces
from models.span_sentences import span_sentences
from server.bundle.manifest import TOKENIZER, Bundle, read_bundle, write_manifest
from server.bundle.shortlist import Shortlist
from tests.conftest import SmallModels
from tests.small_models import train_carrying_tokenizer

SENTENCES = span_sentences()[::50]


@pytest.fixture
def with_span_pieces(small_model: SmallModels, tmp_path: Path) -> Bundle:
    """The same graphs behind another tokenizer of that size."""
    bundle = small_model("transformer").bundle
    folder = tmp_path / "1"
    shutil.copytree(bundle.folder, folder)
    train_carrying_tokenizer(folder / TOKENIZER)
    write_manifest(folder, dataclasses.replace(bundle.manifest, sha256={}))
    return read_bundle(folder)


def test_a_bundle_with_span_pieces_translates_every_sentence(with_span_pieces: Bundle) -> None:
    translations = translate_bundle(with_span_pieces, SENTENCES)
    assert len(translations) == len(SENTENCES)
    assert all(translations)


def test_a_bundle_without_span_pieces_is_refused(small_model: SmallModels) -> None:
    with pytest.raises(NoSpanPieces):
        translate_bundle(small_model("transformer").bundle, SENTENCES)


def test_spans_of_the_source_are_on_its_shortlist_and_no_others() -> None:
    frequent = np.array([6])
    candidates = np.array([[-1, -1], [2, 3], [-1, -1], [2, -1], [0, -1], [5, -1], [-1, -1]])
    shortlist = Shortlist(frequent, candidates, np.zeros((7, 4), np.int8), np.ones(7, np.float32))
    extended = with_own_ids(shortlist, [3, 4])
    assert extended.of([1, 5]).tolist() == shortlist.of([1, 5]).tolist() == [2, 3, 5, 6]
    assert extended.of([5, 3]).tolist() == [2, 3, 5, 6]
    assert extended.of([4]).tolist() == [0, 4, 6]
