"""Which search does what a sentence asks for."""

from server.bundle.manifest import SpecialIds
from server.decoding.search.base import Search
from server.decoding.search.beam import BeamSearch
from server.decoding.search.forced import Forced
from server.decoding.search.sampling import Sampling
from server.messages.options import DecodingOptions
from server.text.pieces import Pieces


def open_search(options: DecodingOptions, special_ids: SpecialIds, pieces: Pieces) -> Search:
    """The sentence's own."""
    if options.forced_ids is not None:
        return Forced(options, special_ids)
    if options.num_samples:
        return Sampling(options, special_ids, pieces)
    return BeamSearch(options, special_ids, pieces)
