"""What a running batch asks of its backend."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from server.bundle.shortlist import Int64
from server.decoding.batch import RunningBatch
from server.decoding.open_sentence import OpenSentence
from server.decoding.scheduler import Ticket
from server.messages.options import DecodingOptions, RequiredTerm
from server.messages.sentence import Sentence
from server.text.pieces import Pieces
from tests.fakes import EOS, MANIFEST, FakeBackend


class ListingBackend(FakeBackend):
    """Remembers what it is asked to put on shortlists."""

    def __init__(self) -> None:
        super().__init__(max_rows=3)
        self.further: list[list[int]] = []

    def shortlist(self, source_ids: Sequence[int], further: Sequence[int]) -> Int64:
        self.further.append(sorted(further))
        return np.array(further, np.int64)


def test_a_shortlist_has_what_is_demanded_and_the_span_pieces_of_the_source() -> None:
    pieces = Pieces(["", "", "", "", "a", "b", "\ue000", "\ue001", "\ue002"])
    backend = ListingBackend()
    batch = RunningBatch(replace(MANIFEST, span_pieces=("\ue000", "\ue001")), backend, pieces)
    options = DecodingOptions(
        max_output_tokens=9, use_shortlist=True, prefix=(4,), required_terms=(RequiredTerm((5,), range(1)),)
    )
    for source in ([1, 6, 5, 7, EOS], [1, 4, EOS], [1, 8, 7, EOS]):
        opened = OpenSentence(Sentence(source, options, None), Ticket(0, len(source), 1e9), 0.0)
        batch.encode([opened])
        batch.join(opened)
    assert backend.further == [[4, 5, 6, 7], [4, 5], [4, 5, 7]]
