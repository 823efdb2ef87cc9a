"""Attack a server of our own in every way that we know, beside an honest client, and report what that client felt.

python -m loadtest.siege
python -m loadtest.siege --attack rapid-reset --attack overload
"""

import argparse
import contextlib
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from loadtest.memory import forget_peak, memory_megabytes
from loadtest.percentiles import percentile
from loadtest.running_server import (
    STOP_SECONDS,
    RunningServer,
    ServerError,
    add_server_arguments,
    free_port,
    running_server,
    serve_command,
    server_flags,
)
from loadtest.siege.attack import Attack, Target
from loadtest.siege.attacker import make
from loadtest.siege.attacks import ATTACKS
from loadtest.siege.metrics import longest_lag_ms, num_handled, read_metrics
from loadtest.siege.report import EXPLANATION, Sight, notes, table, violations
from loadtest.siege.witness import Witness

_MAX_DESCRIPTORS = 1024
"""File descriptors that the server may have: the usual limit, and one that can be reached."""

_QUIET_SECONDS = 1.5
"""Before the first attack: what is usual."""

_AFTER_SECONDS = 1.0
_USUAL_MS = 50.0
"""Least that counts as usual for a single sentence, as a busy machine is slower at times."""


class Besieged(NamedTuple):
    """A server, and the honest client beside it."""

    server: RunningServer
    target: Target
    log: Path
    metrics_port: int
    witness: Witness
    usual_ms: float
    """For a call of the honest client where nothing else happens."""


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m loadtest.siege", description="Attack a server in every way, beside an honest client."
    )
    parser.add_argument(
        "--attack", action="append", choices=ATTACKS, metavar="NAME", help=f"of: {', '.join(ATTACKS)} (default: all)"
    )
    add_server_arguments(parser)
    parser.add_argument("--output", type=Path, default=Path("build/siege"), help="folder (default: build/siege)")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that the server is stopped as well
    attacks = [ATTACKS[name] for name in arguments.attack or ATTACKS]
    try:
        sights = besiege(attacks, server_flags(arguments), arguments.output)
    except ServerError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(report(sights, arguments.output))


def report(sights: Sequence[Sight], output: Path) -> int:
    """Print the table. Returns the exit code: 1 if any bound was broken."""
    num_held = sum(not violations(sight) for sight in sights)
    summary = f"{num_held} of {len(sights)} attacks were withstood"
    text = "\n\n".join(
        [table(sights), EXPLANATION, "\n".join(line for sight in sights for line in notes(sight)), summary]
    )
    print(f"\n{text}")
    (output / "report.txt").write_text(text + "\n", encoding="utf-8")
    return 0 if num_held == len(sights) else 1


def besiege(attacks: Sequence[Attack], flags: Sequence[str], output: Path) -> list[Sight]:
    """Make one attack after another, each on a server that is well; one that has ended is replaced. `flags`: of the
    server's command."""
    output.mkdir(parents=True, exist_ok=True)
    sights: list[Sight] = []
    while len(sights) < len(attacks):
        with besieged(flags, output / f"server-{len(sights)}.log") as place:
            for attack in attacks[len(sights) :]:
                print(f"{attack.name}: {attack.what}", flush=True)
                sights.append(watch(attack, place))
                if place.server.process.poll() is not None:
                    break
    return sights


@contextlib.contextmanager
def besieged(flags: Sequence[str], log: Path) -> Iterator[Besieged]:
    """Start a server and the honest client, and see what is usual. Raises ServerError."""
    metrics_port = free_port()
    command = serve_command(*flags, f"--metrics-listen=127.0.0.1:{metrics_port}")
    limited = ["sh", "-c", f'ulimit -n {_MAX_DESCRIPTORS} && exec "$@"', "sh", *command]
    with running_server(limited, log) as server, Witness(server.address) as witness:
        host, _, port = server.address.rpartition(":")
        begun = time.monotonic()
        time.sleep(_QUIET_SECONDS)
        quiet = sorted(call.milliseconds for call in witness.calls(begun, begun + _QUIET_SECONDS))
        usual_ms = max(_USUAL_MS, 2 * (percentile(quiet, 99) or 0.0))
        yield Besieged(server, Target(host, int(port), server.pid), log, metrics_port, witness, usual_ms)


def watch(attack: Attack, place: Besieged) -> Sight:
    """Make an attack, and wait until the server is as before, or has ended."""
    pid, witness = place.server.pid, place.witness
    before = read_metrics(place.metrics_port)
    lines_before = _num_lines(place.log)
    memory_before = memory_megabytes(pid)["VmRSS"]
    forget_peak(pid)
    started, outcome = make(attack, place.target)
    ended = time.monotonic()
    time.sleep(_AFTER_SECONDS)
    if attack.bounds.ends_server:
        with contextlib.suppress(Exception):
            place.server.process.wait(STOP_SECONDS)
    status = place.server.process.poll()
    lives = status is None
    memory_peak = memory_megabytes(pid)["VmHWM"] if lives else memory_before
    after = read_metrics(place.metrics_port) if lives else {}
    return Sight(
        attack=attack,
        outcome=outcome,
        seconds=ended - started,
        during=witness.calls(started, ended),
        after=witness.calls(ended, ended + _AFTER_SECONDS),
        back_seconds=witness.back_to_normal(outcome.last_sent, place.usual_ms) if lives else None,
        memory_before_mb=memory_before,
        memory_peak_mb=memory_peak,
        lag_ms=longest_lag_ms(before, after),
        num_counted=num_handled(before, after),
        num_log_lines=_num_lines(place.log) - lines_before,
        server_status=status,
    )


def _num_lines(path: Path) -> int:
    return path.read_bytes().count(b"\n")


if __name__ == "__main__":
    main()
