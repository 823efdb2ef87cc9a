"""A small vocabulary, terms of its pieces, and what is allowed beside them."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from hypothesis import strategies as st

from server.bundle.manifest import SpecialIds
from server.decoding.search.beam import BeamSearch
from server.decoding.search.required import Progress, RequiredTerms
from server.messages.hypothesis import Attention, Float32, Hypothesis
from server.messages.options import DecodingOptions, RequiredTerm
from server.text.pieces import Pieces

EOS = 3
SPECIAL_IDS = SpecialIds(start=2, eos=EOS, pad=0, unknown=1, never_written=(0, 1, 2))
TEXTS = ["", "", "", "", "▁le", "▁pa", "in", "s", "▁pain", "▁", "'", "▁chat"]
PIECES = Pieces(TEXTS)
LE, PA, IN, S, PAIN, SPACE, APOSTROPHE, CHAT = range(4, 12)
VOCABULARY_SIZE = len(TEXTS)
NUM_SOURCE_TOKENS = 6

Terms = tuple[tuple[int, ...], ...]

one_term = st.builds(
    lambda first, others: (first, *others),
    st.sampled_from([LE, PA, PAIN, SPACE, CHAT]),
    st.lists(st.integers(LE, CHAT), max_size=3),
)
some_terms = st.lists(one_term, min_size=1, max_size=4).map(tuple)
"""They begin with a space, as the terms of a glossary do; many share their first tokens, and some are there twice."""

seeds = st.integers(0, 100_000)
attentions = st.one_of(
    st.none(),
    st.builds(
        lambda at, share: [share if at == other else (1 - share) / 5 for other in range(NUM_SOURCE_TOKENS)],
        st.integers(0, NUM_SOURCE_TOKENS - 1),
        st.sampled_from([0.3, 0.6, 0.9]),
    ),
)


def required(*terms: tuple[int, ...]) -> RequiredTerms:
    return RequiredTerms(numbered(terms), PIECES)


def numbered(terms: Terms) -> tuple[RequiredTerm, ...]:
    """The term number i translates the source's token i."""
    return tuple(RequiredTerm(ids, range(i, i + 1)) for i, ids in enumerate(terms))


def progress_after(terms: RequiredTerms, *ids: int) -> Progress:
    progress = terms.start
    for id_ in ids:
        progress = terms.advance(progress, id_)
    return progress


def allowed(
    terms: RequiredTerms,
    progress: Progress,
    num_places: int,
    forbidden: Sequence[int] = (),
    attention: Sequence[float] | None = None,
    wish: int = LE,
) -> list[int]:
    """Of all that translations contain, where nothing but `forbidden` is forbidden otherwise.

    attention: on the source; wish: what is most probable."""
    log_probs = np.full(VOCABULARY_SIZE, -1.0, np.float32)
    log_probs[wish] = -0.5
    scores = log_probs.copy()
    scores[list(forbidden)] = -np.inf
    attended = None if attention is None else np.array(attention, np.float32)
    terms.apply(scores, log_probs, wish == EOS, attended, progress, num_places, EOS)
    return [id_ for id_ in np.flatnonzero(scores > -np.inf).tolist() if id_ >= EOS]


def num_written(term: tuple[int, ...], output: Sequence[int]) -> int:
    """How often it stands there, apart from each other, with the end of a word behind it."""
    number = at = 0
    while at + len(term) <= len(output):
        end = at + len(term)
        is_whole = end == len(output) or not TEXTS[output[end]][0].isalnum()
        if tuple(output[at:end]) == term and is_whole:
            number += 1
            at = end
        else:
            at += 1
    return number


def assert_written(terms: Terms, output: Sequence[int]) -> None:
    for term, number in Counter(terms).items():
        assert num_written(term, output) >= number, f"{term} in {output}"


def num_tokens(terms: Terms) -> int:
    return sum(map(len, terms))


def random_log_probs(seed: int, output_ids: Sequence[int]) -> Float32:
    scores = np.random.default_rng([seed, *output_ids]).normal(size=VOCABULARY_SIZE) * 2
    return (scores - np.log(np.exp(scores).sum())).astype(np.float32)


def random_attention(seed: int, output_ids: Sequence[int]) -> Float32:
    """Most of it is on one or two tokens, which is what makes a term's place."""
    return np.random.default_rng([seed, *output_ids]).dirichlet(np.full(NUM_SOURCE_TOKENS, 0.2)).astype(np.float32)


def translate(seed: int, options: DecodingOptions) -> list[Hypothesis]:
    search = BeamSearch(options, SPECIAL_IDS, PIECES)
    while search.live:
        ids = [hypothesis.output_ids for hypothesis in search.live]
        attention = None
        if options.needs_attention:
            attention = Attention(np.stack([random_attention(seed, one) for one in ids]))
        continuations = search.advance(np.stack([random_log_probs(seed, one) for one in ids]), attention)
        assert len(continuations) <= options.num_rows
    return search.ranked()
