"""A run: one measurement after the other, each written down at once, until the plan has no more."""

import contextlib
import itertools
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from loadtest.measuring import Measuring
from loadtest.plan import Plan
from loadtest.records import Record, append_record, read_records

RECORDS = "records.jsonl"
SETTINGS = "run.json"


def open_run(folder: Path, settings: Mapping[str, Any], plan: Plan) -> list[Record]:
    """The records of an unfinished run of the same settings in a folder, which goes on; none where a new one begins.
    Another run's records are kept under another name."""
    folder.mkdir(parents=True, exist_ok=True)
    written, path = folder / SETTINGS, folder / RECORDS
    records = read_records(path)
    if records:
        earlier: Any = None
        with contextlib.suppress(OSError, json.JSONDecodeError):
            earlier = json.loads(written.read_text(encoding="utf-8"))
        if earlier == json.loads(json.dumps(settings)) and plan.next(records):
            print(f"goes on after {len(records)} measurements in {path}", flush=True)
            return records
        kept = next(name for number in itertools.count(1) if not (name := folder / f"records-{number}.jsonl").exists())
        path.rename(kept)
        print(f"another run's measurements are in {kept} now", flush=True)
    written.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
    return []


def carry_out(plan: Plan, measuring: Measuring, records: list[Record], folder: Path, until: float) -> bool:
    """Make every measurement of the plan that `records` lack, and add to them. `until`: when no more is begun, by
    `time.monotonic`. Returns whether all were made. Raises generators.GeneratorError."""
    spent: list[float] = []
    while order := plan.next(records):
        begun = time.monotonic()
        if begun >= until:
            print("the time is up: the knees of this run are lower bounds", flush=True)
            return False
        left = plan.seconds_left(records, spent)
        print(f"about {_duration(min(left, until - begun))} left; {order.described}", end=" ", flush=True)
        record = measuring.measure(order)
        append_record(folder / RECORDS, record)
        records.append(record)
        spent.append(time.monotonic() - begun)
        print(_seen(record), flush=True)
    return True


def knee_lines(plan: Plan, records: Sequence[Record]) -> list[str]:
    """What each search has found, round by round."""
    lines = []
    for name, found in plan.knees(records).items():
        rates = " ".join(f"{rate:g}" for rate, _ in found)
        lines.append(f"{name}: {rates} calls/s")
        lines += [f"  at least: the search stopped, as {why}" for why in dict.fromkeys(why for _, why in found) if why]
    return lines


def _seen(record: Record) -> str:
    errors = ", ".join(f"{number} {code}" for code, number in record.errors.items())
    percentiles = " ".join(f"p{percent} {record.percentile(percent):.1f}" for percent in (50, 95, 99))
    doubt = f"; not to be believed: {record.saturated}" if record.saturated else ""
    return f"{percentiles} ms{', ' + errors if errors else ''}{doubt}"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(max(0, round(seconds)), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
