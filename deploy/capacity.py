"""python -m deploy.capacity: from one measured server to a hundred, by calculation and by simulation, in a minute.

How many servers, cores and connections a rate takes and what it costs; how calls wait under each way of balancing; what
becomes of them when the rate is suddenly five times as high, and how fast it may grow; what a cache brings that all
servers share. Every input is a flag: measure your own (docs/load.md), and take your own price.
"""

import argparse
import heapq
import itertools
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np

_LONGEST_WAIT = 0.2
"""Seconds after which a server refuses (`--max-delay-milliseconds`)."""
_SCALING_INTERVAL = 15.0
"""Seconds between two decisions of Kubernetes' autoscaler."""
_QUERY_WINDOW = 60.0
"""Seconds over which the scaler's queries take their rates: of a rate that grows they tell what it was half of them
before."""
_TICK = 0.1


@dataclass(frozen=True)
class Inputs:
    sentences_per_second: float = 100_000.0
    """Asked of all servers together."""
    server_sentences_per_second: float = 1280.0
    """That one server holds: docs/load.md, the Transformer on two cores."""
    server_cores: float = 2.0
    busy: float = 0.7
    """Share of that which is used when all is well."""
    proxy_call_milliseconds: float = 0.7
    """Processor time of Envoy for a call: `python -m tests.cluster.scaling`."""
    proxy_cores: float = 4.0
    """Of one Envoy, of which six tenths are used."""
    clients: float = 2000.0
    """Processes that call, each with a connection to each address that it knows."""
    series_per_server: float = 900.0
    """Lines of one server's metrics with one model."""
    core_hour_price: float = 0.04
    """For one core with its memory, in whatever money."""
    start_seconds: float = 20.0
    """From the decision until a new server answers, where a machine is there for it: scheduling, image, models."""
    machine_seconds: float = 90.0
    """That a new machine takes besides, where none is there."""
    cache_entries: float = 100_000.0
    """Translations in one server's memory: some 60 MB."""
    distinct_sentences: float = 100_000_000.0
    """That callers may ask for; the k-th most frequent one is asked for in proportion to k ** -skew."""
    skew: float = 0.9
    translation_milliseconds: float = 1.0
    """Processor time of a translation that a cache saves."""
    lookup_milliseconds: float = 0.25
    """Processor time of asking another machine's cache, from Python."""


def sizes(inputs: Inputs) -> Iterator[str]:
    """What grows with the rate, in one table."""
    yield (
        f"{'sentences/s':>12}{'servers':>9}{'cores':>7}{'Envoys':>8}{'checks/s each':>15}{'connections each':>18}"
        f"{'by client':>11}{'pings/s each':>14}{'series':>11}{'per million':>13}"
    )
    for rate in (1000.0, 10_000.0, inputs.sentences_per_second, 10 * inputs.sentences_per_second):
        servers = math.ceil(rate / (inputs.busy * inputs.server_sentences_per_second))
        proxy_cores = rate * inputs.proxy_call_milliseconds / 1000 / 0.6
        proxies = max(2, math.ceil(proxy_cores / inputs.proxy_cores))
        cores = servers * inputs.server_cores + proxies * inputs.proxy_cores
        clients = inputs.clients * rate / inputs.sentences_per_second
        through = proxies * inputs.proxy_cores  # each of its threads has connections of its own
        price = cores * inputs.core_hour_price / 3600 / rate * 1e6
        yield (
            f"{rate:12,.0f}{servers:9,}{cores:7,.0f}{proxies:8}{proxies:15}{through:18,.0f}{clients:11,.0f}"
            f"{clients / 2:14,.0f}{servers * inputs.series_per_server:11,.0f}{price:13.4f}"
        )


def waits(choose: str, servers: int, busy: float, mean_service: float, calls: int, draw: random.Random) -> list[float]:
    """Seconds from arrival to answer of calls that come at random to servers which do one after another, in time that
    varies half as much as an exponential's (Erlang of order 4). `choose`: `random`, `round robin` of 20 clients that
    know nothing of each other, or `least of two`."""
    free_at = [0.0] * servers
    ending: list[list[float]] = [[] for _ in range(servers)]
    turns = [draw.randrange(servers) for _ in range(20)]
    now, found = 0.0, []
    for _ in range(calls):
        now += draw.expovariate(busy * servers / mean_service)
        if choose == "random":
            at = draw.randrange(servers)
        elif choose == "round robin":
            client = draw.randrange(len(turns))
            at = turns[client] = (turns[client] + 1) % servers
        else:
            pair = [draw.randrange(servers), draw.randrange(servers)]
            for one in pair:
                while ending[one] and ending[one][0] <= now:
                    heapq.heappop(ending[one])
            at = min(pair, key=lambda one: len(ending[one]))
        service = draw.gammavariate(4.0, mean_service / 4)
        free_at[at] = max(free_at[at], now) + service
        heapq.heappush(ending[at], free_at[at])
        found.append(free_at[at] - now)
    return found


def balancing(inputs: Inputs) -> Iterator[str]:
    service = 1 / inputs.server_sentences_per_second
    yield f"{'balancing':14}{'servers':>9}{'busy':>6}{'mean, ms':>10}{'p99, ms':>9}"
    for choose, servers in itertools.product(("random", "round robin", "least of two"), (1, 4, 100)):
        took = waits(choose, servers, inputs.busy, service, 100_000, random.Random(1))
        p99 = sorted(took)[int(0.99 * len(took))]
        yield f"{choose:14}{servers:9}{inputs.busy:6.2f}{1000 * sum(took) / len(took):10.2f}{1000 * p99:9.2f}"


def step_of_load(inputs: Inputs, start_seconds: float, spare: float, times: float = 5.0) -> tuple[float, float]:
    """Seconds in which calls are refused or wait as long as they may, and the share that is refused of all calls until
    then, when the rate becomes `times` as high at once. The autoscaler asks for as many servers as the last interval's
    calls, refused ones included, need, and may have twice as many each time, or four more. `spare`: share of the first
    servers that is not used."""
    one = inputs.server_sentences_per_second
    before = inputs.sentences_per_second / times
    servers = math.ceil(before / one / (1 - spare))
    ready: list[tuple[float, int]] = []
    wanted, waiting, refused, asked, last = servers, 0.0, 0.0, 0.0, 0.0
    for tick in range(round(900 / _TICK)):
        now = tick * _TICK
        while ready and ready[0][0] <= now:
            servers += heapq.heappop(ready)[1]
        can = servers * one * _TICK
        comes = inputs.sentences_per_second * _TICK
        asked += comes
        room = servers * one * _LONGEST_WAIT + can - waiting
        refused_now = max(0.0, comes - room)
        refused += refused_now
        waiting = max(0.0, waiting + comes - refused_now - can)
        if refused_now or waiting > 0.5 * servers * one * _LONGEST_WAIT:
            last = now
        if tick and tick % round(_SCALING_INTERVAL / _TICK) == 0:
            need = math.ceil(inputs.sentences_per_second / one / inputs.busy)
            more = min(need, max(2 * wanted, wanted + 4)) - wanted
            if more > 0:
                wanted += more
                heapq.heappush(ready, (now + start_seconds, more))
        if now > last + 120 and not ready and wanted >= inputs.sentences_per_second / one:
            break
    until = inputs.sentences_per_second * last
    return last, refused / until if until else 0.0


def autoscaling(inputs: Inputs) -> Iterator[str]:
    yield f"{'five times as many calls at once':44}{'seconds of refusals':>21}{'refused of these':>18}"
    for what, seconds, spare in (
        ("machines are there, 30 % spare", inputs.start_seconds, 0.3),
        ("machines have to come, 30 % spare", inputs.start_seconds + inputs.machine_seconds, 0.3),
        ("machines are there, 60 % spare", inputs.start_seconds, 0.6),
        ("machines are there, 80 % spare", inputs.start_seconds, 0.8),
    ):
        late, refused = step_of_load(inputs, seconds, spare)
        yield f"{what:44}{late:21.0f}{refused:18.0%}"


def doubling_seconds(busy: float, start_seconds: float) -> float:
    """The shortest time in which the rate may double, again and again, without a call too many: servers of which so
    much is used on average have the others' time until more have come."""
    late = _QUERY_WINDOW / 2 + 2 * _SCALING_INTERVAL + start_seconds
    return late / math.log2(1 / busy)


def growth(inputs: Inputs) -> Iterator[str]:
    yield f"{'a rate that doubles, at the fastest in':38}{'machines are there':>20}{'have to come':>14}"
    for busy in (0.5, 0.6, 0.7, 0.8):
        there, to_come = (
            doubling_seconds(busy, seconds)
            for seconds in (inputs.start_seconds, inputs.start_seconds + inputs.machine_seconds)
        )
        yield f"{f'scaled at {busy:.0%} of what pods hold':38}{there:18.0f} s{to_come:12.0f} s"


def hit_ratio(entries: float, inputs: Inputs) -> float:
    """Of a cache that forgets what was used longest ago, by Che's approximation: an entry is there if it was asked for
    within the time in which as many different ones were as the cache has room for."""
    groups = np.unique(np.geomspace(1, inputs.distinct_sentences, 4000).astype(np.int64))
    counts = np.diff(np.append(groups, int(inputs.distinct_sentences) + 1))
    shares = groups.astype(float) ** -inputs.skew
    shares /= (shares * counts).sum()
    low, high = 0.0, 1e18
    for _ in range(200):
        age = (low + high) / 2
        low, high = (age, high) if (counts * -np.expm1(-shares * age)).sum() < entries else (low, age)
    return float((counts * shares * -np.expm1(-shares * low)).sum())


def shared_cache(inputs: Inputs) -> Iterator[str]:
    """What a cache brings that has room for what all servers' own would have together, behind their own."""
    servers = math.ceil(inputs.sentences_per_second / (inputs.busy * inputs.server_sentences_per_second))
    yield f"{'skew':>6}{'own cache':>11}{'a shared one too':>18}{'saved of a translation':>24}"
    for skew in (0.7, inputs.skew, 1.1):
        some = Inputs(**{field.name: getattr(inputs, field.name) for field in fields(inputs)} | {"skew": skew})
        own = hit_ratio(inputs.cache_entries, some)
        both = hit_ratio(servers * inputs.cache_entries, some)
        # What its own cache does not have, a server asks for, and translates what the shared one has not either.
        missed = (1 - own) * inputs.translation_milliseconds
        asked = (1 - own) * inputs.lookup_milliseconds + (1 - both) * inputs.translation_milliseconds
        yield f"{skew:6.1f}{own:11.0%}{both:18.0%}{1 - asked / missed:24.0%}"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m deploy.capacity", description="What many servers would do.")
    for field in fields(Inputs):
        flag = "--" + field.name.replace("_", "-")
        parser.add_argument(flag, type=float, default=field.default, metavar="N", help=f"(default: {field.default:g})")
    inputs = Inputs(**vars(parser.parse_args()))
    if any(getattr(inputs, field.name) <= 0 for field in fields(inputs)) or inputs.busy >= 1:
        parser.error("numbers above 0 expected, and --busy below 1")
    for part in (sizes, balancing, autoscaling, growth, shared_cache):
        print("\n".join(part(inputs)), end="\n\n")


if __name__ == "__main__":
    main()
