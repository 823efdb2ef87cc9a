"""Which sentences are encoded together: policy alone."""

import itertools
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from server.decoding.open_sentence import OpenSentence

_MOST_PADDING = 8
"""Tokens that a source may be shorter than the longest of its run. A run by itself would cost more: beside what it
takes for each token, it takes what some ten tokens do (measured at d 128 and at d 512)."""

_COMPANIONS_PADDING = 2
"""Tokens that a companion, which need not be encoded yet, may be shorter than the longest of its run. Less than
`_MOST_PADDING`, so that a sentence which could be a companion of one run is neither a companion nor a joiner of
another."""

_LOOK_AHEAD = 256
"""Waiting sentences among which companions are looked for."""


class EncoderRun(NamedTuple):
    """Sentences that are encoded together, as one padded batch."""

    joining: list[OpenSentence]
    """Sentences that get their rows now; the longest first."""
    companions: list[OpenSentence]
    """Sentences that wait on, encoded."""


def encoder_runs(joining: Sequence[OpenSentence], waiting: Iterable[OpenSentence], max_tokens: int) -> list[EncoderRun]:
    """Runs of sentences of similar length, with all of `joining` that are not encoded yet.

    A run also takes companions, which are sentences that wait and are about as long as its longest: a run of many
    takes less time for each of them, by more than so little padding costs. Companions are taken as far as all runs
    together have at most `max_tokens` tokens, padding included. `waiting`: in order of turns, so that the companions
    are the sentences that join next.
    """
    groups = _group_by_length([joiner for joiner in joining if not joiner.encoded])
    if not groups:
        return []
    room = max_tokens - sum(len(group) * _num_source_tokens(group[0]) for group in groups)
    looked_at = list(itertools.islice(waiting, _LOOK_AHEAD))
    runs = []
    for group in groups:
        length = _num_source_tokens(group[0])
        # Their length first: it is what most of them are passed over for.
        as_long = (one for one in looked_at if 0 <= length - one.ticket.num_source_tokens <= _COMPANIONS_PADDING)
        possible = (one for one in as_long if not one.encoded and one not in group)
        companions = list(itertools.islice(possible, max(room, 0) // length))
        room -= len(companions) * length
        runs.append(EncoderRun(group, companions))
    return runs


def _group_by_length(sentences: Sequence[OpenSentence]) -> list[list[OpenSentence]]:
    """Group sentences of similar length, the longest of each group first."""
    groups: list[list[OpenSentence]] = []
    for opened in sorted(sentences, key=_num_source_tokens, reverse=True):
        if groups and _num_source_tokens(groups[-1][0]) - _num_source_tokens(opened) <= _MOST_PADDING:
            groups[-1].append(opened)
        else:
            groups.append([opened])
    return groups


def _num_source_tokens(opened: OpenSentence) -> int:
    return opened.ticket.num_source_tokens
