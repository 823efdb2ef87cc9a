"""What a run measures, and in which order: policy alone, from the records that there are, so that a run which was
stopped goes on where it was."""

import dataclasses
import itertools
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from loadtest.knee import Search
from loadtest.measuring import Order
from loadtest.records import Case, Record

_MIN_CALLS = 1000
"""Counted in a measurement of the search: fewer cannot tell whether a call in a thousand fails."""

_MAX_TRIES = 2
"""Of a measurement that is not to be believed."""

_BELOW_KNEE = 4
"""Grid steps below the last round's knee at which the next round's search begins."""

_USUAL_STEPS = (11, 7)
"""Measurements of one search, in the first round and in later ones, for an estimate of the time left."""

_OVERHEAD_SECONDS = 1.5
"""Of a measurement besides what is counted, as long as none was made."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The cases of a run. Each round measures all of them, one after the other, so that a slow minute of the machine
    meets all."""

    fixed: Sequence[Order]
    """Measurements of every round, of every second one in reverse; their own round does not count."""
    searched: Sequence[Case]
    """Whose knees are searched in every round."""
    search: Search
    rounds: int
    seconds: float
    """Least time of a search's measurement."""
    max_seconds: float
    """And the most, where few calls are made in it."""

    def next(self, records: Sequence[Record]) -> Order | None:
        """The next measurement; None at the end."""
        for number in range(self.rounds):
            order = self._fixed(number, records) or self._searched(number, records)
            if order:
                return order
        return None

    def seconds_left(self, records: Sequence[Record], spent: Sequence[float]) -> float:
        """About how long the rest takes. `spent`: seconds that measurements have taken so far."""
        usual = statistics.fmean(spent) if spent else self.seconds + _OVERHEAD_SECONDS
        number = 0.0
        for number_of_round in range(self.rounds):
            number += sum(1 for _ in self._open_orders(number_of_round, records))
            for case in self.searched:
                of_case = _searched_records(records, case, number_of_round)
                if self._search(case, number_of_round, records).next(of_case) is not None:
                    number += max(1, _USUAL_STEPS[min(number_of_round, 1)] - len(of_case))
        return number * usual

    def knees(self, records: Sequence[Record]) -> dict[str, list[tuple[float, str]]]:
        """By name of the case and round: the highest rate that was held, and why it may be higher."""
        found: dict[str, list[tuple[float, str]]] = {}
        for case, number in itertools.product(self.searched, range(self.rounds)):
            of_case = _searched_records(records, case, number)
            if of_case:
                search = self._search(case, number, records)
                found.setdefault(case.name, []).append((search.knee(of_case), search.stopped(of_case)))
        return found

    def _fixed(self, number: int, records: Sequence[Record]) -> Order | None:
        return next(self._open_orders(number, records), None)

    def _open_orders(self, number: int, records: Sequence[Record]) -> Iterator[Order]:
        for order in self.fixed if number % 2 == 0 else reversed(self.fixed):
            order = dataclasses.replace(order, round=number)
            answers = [bool(record.saturated) for record in records if order.is_answered_by(record)]
            if all(answers) and len(answers) < _MAX_TRIES:
                yield order

    def _searched(self, number: int, records: Sequence[Record]) -> Order | None:
        """Of the case that has the fewest records of this round."""
        turns = []
        for case in self.searched:
            of_case = _searched_records(records, case, number)
            rate = self._search(case, number, records).next(of_case)
            if rate is not None:
                turns.append((len(of_case), case, rate))
        if not turns:
            return None
        _, case, rate = min(turns, key=lambda turn: turn[0])
        seconds = max(self.seconds, min(self.max_seconds, _MIN_CALLS / rate))
        return Order(case=case, round=number, rate=rate, seconds=seconds)

    def _search(self, case: Case, number: int, records: Sequence[Record]) -> Search:
        """A later round begins below what the one before it has found."""
        if number == 0:
            return self.search
        earlier = _searched_records(records, case, number - 1)
        held = self._search(case, number - 1, records).held(earlier)
        if held is None:
            return self.search
        return Search(max(0, held - _BELOW_KNEE), _BELOW_KNEE, self.search.nearness)


def _searched_records(records: Sequence[Record], case: Case, number: int) -> list[Record]:
    return [
        record
        for record in records
        if record.case.name == case.name and record.round == number and record.load == "open"
    ]
