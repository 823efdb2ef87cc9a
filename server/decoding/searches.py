"""Which search does what a sentence asks for."""

from server.bundle import SpecialIds
from server.decoding.beam import BeamSearch
from server.decoding.forced import Forced
from server.decoding.options import DecodingOptions
from server.decoding.sampling import Sampling
from server.decoding.search import Search


def open_search(options: DecodingOptions, special_ids: SpecialIds) -> Search:
    """The sentence's own."""
    if options.forced_ids is not None:
        return Forced(options, special_ids)
    if options.num_samples:
        return Sampling(options, special_ids)
    return BeamSearch(options, special_ids)
