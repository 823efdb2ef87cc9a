"""Sentences that were encoded before their turn, and the memory that their states hold."""

from collections.abc import Iterable, Mapping

from server.decoding.graphs.state import Array
from server.decoding.open_sentence import OpenSentence


class _HeldRun:
    """The states that one encoder run gave. An array lives as long as anybody needs a part of it, so that the whole run
    is held until the last of its sentences has left."""

    def __init__(self, state: Mapping[str, Array]) -> None:
        self.num_bytes = sum(array.nbytes for array in state.values())
        self.num_sentences = 0


class EncodedAhead:
    """The sentences that wait and are encoded, and the runs that they were encoded in."""

    def __init__(self) -> None:
        self._runs: dict[OpenSentence, _HeldRun] = {}
        self.num_bytes = 0
        """Size of all runs that are held."""

    def add(self, companions: Iterable[OpenSentence]) -> None:
        """Hold the state of sentences of one encoder run, which wait on."""
        run: _HeldRun | None = None
        for sentence in companions:
            assert sentence.encoded
            if run is None:
                run = _HeldRun(sentence.encoded.state)
                self.num_bytes += run.num_bytes
            run.num_sentences += 1
            self._runs[sentence] = run

    def discard(self, sentence: OpenSentence) -> None:
        """Let go of a sentence that joins, or that nobody waits for any more. A sentence that was not encoded ahead is
        passed over."""
        run = self._runs.pop(sentence, None)
        if run:
            run.num_sentences -= 1
            if not run.num_sentences:
                self.num_bytes -= run.num_bytes
