"""No search at all: the model scores a translation that is given."""

from server.bundle.manifest import SpecialIds
from server.decoding.scores import EVERY_TOKEN, Columns
from server.decoding.search.base import Continuation, Search
from server.messages.hypothesis import Attention, Float32
from server.messages.options import DecodingOptions


class Forced(Search):
    """Follows the only hypothesis that there is, `options.forced_ids`."""

    def __init__(self, options: DecodingOptions, special_ids: SpecialIds, columns: Columns = EVERY_TOKEN) -> None:
        super().__init__(options, special_ids, columns)
        assert options.forced_ids is not None
        self._ids = options.forced_ids

    def advance(self, log_probs: Float32, attention: Attention | None) -> list[Continuation]:
        [hypothesis] = self.live
        position = len(hypothesis.output_ids)
        id_ = self._ids[position] if position < len(self._ids) else self.eos
        log_prob = float(log_probs[0, self.columns.of(id_)])
        attended = attention.of(0) if attention is not None else None
        if position == len(self._ids):
            self.finish(hypothesis.ended_by_eos(id_, log_prob, hypothesis.total + log_prob, attended))
            self.live = []
            return []
        self.live = [hypothesis.extended(id_, log_prob, hypothesis.total + log_prob, attended)]
        return [Continuation(0, id_)]
