"""One measurement: load beside a calibration, with the server's own series read before and after."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from loadtest.calibration import calibrate, describe_machine
from loadtest.cases import make_case
from loadtest.driven import DrivenModel
from loadtest.generators import Generators
from loadtest.records import Case, Load, Record
from loadtest.server_side import scrape, server_side
from loadtest.workloads import make_texts
from seq2serve.addresses import Address

_WARMING_USERS = 4
_WARMING_SECONDS = 0.5


@dataclass(frozen=True, kw_only=True)
class Order:
    """A measurement that is to be made."""

    case: Case
    round: int
    rate: float = 0.0
    """Calls a second of an open loop; 0 for a closed one."""
    users: int = 0
    """Calls in flight of a closed loop; 0 for an open one."""
    seconds: float
    """Counted, after the warm-up."""

    @property
    def load(self) -> Load:
        return "open" if self.rate else "closed"

    @property
    def described(self) -> str:
        offered = f"{self.rate:g}/s" if self.rate else f"{self.users} users"
        return f"round {self.round + 1}: {self.case.name}, {offered}"

    def is_answered_by(self, record: Record) -> bool:
        same_load = (self.round, self.rate, self.users) == (record.round, record.rate, record.users)
        return same_load and self.case.name == record.case.name


class Measuring:
    """A server, and what loads it."""

    def __init__(
        self,
        generators: Generators,
        metrics: Address | None,
        models: Mapping[str, DrivenModel],
        warm_up: float,
    ) -> None:
        """`metrics`: where the server tells its series, if it does; `warm_up`: seconds at the start of each measurement
        that are not counted."""
        self._generators = generators
        self._metrics = metrics
        self._models = models
        self._warm_up = warm_up

    def warm_up(self, model: DrivenModel) -> None:
        """Let a model and the connections do their first work. Raises GeneratorError."""
        self._load(Order(case=make_case(model), round=0, users=_WARMING_USERS, seconds=_WARMING_SECONDS))

    def measure(self, order: Order) -> Record:
        """Raises GeneratorError."""
        calibrations = calibrate()
        before, begun = scrape(self._metrics), time.perf_counter()
        answered = self._load(order)
        lasted = time.perf_counter() - begun
        after = scrape(self._metrics)
        return Record(
            case=order.case,
            round=order.round,
            load=order.load,
            rate=order.rate,
            users=order.users,
            seconds=order.seconds,
            seed=order.round,
            server=server_side(before, after, order.case.model, lasted),
            machine=describe_machine([*calibrations, *calibrate()]),
            **answered,
        )

    def _load(self, order: Order) -> dict[str, Any]:
        case, model = order.case, self._models[order.case.model]
        return self._generators.drive(
            name=case.name,
            model=case.model,
            decoding=case.decoding,
            method=case.method,
            pair=model.pair,
            texts=make_texts(case.workload, model.sentences, order.round),
            rate=order.rate,
            users=order.users,
            warm_up=self._warm_up,
            seconds=order.seconds,
            seed=order.round,
        )
