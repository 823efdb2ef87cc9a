"""Makes one attack: `python -m loadtest.siege.attacker NAME HOST PORT PID`.

Writes a line when it is ready, waits for one, and then writes what came of it as a line of JSON. It is a process of its
own, so that it takes no interpreter from those who measure.
"""

import asyncio
import json
import resource
import subprocess
import sys
import time
from collections import Counter

from loadtest.siege.attack import Attack, Outcome, Target
from loadtest.siege.attacks import ATTACKS

_MOST_SECONDS = 45.0
"""After which an attack that does not end is given up."""


def make(attack: Attack, target: Target) -> tuple[float, Outcome]:
    """In as many processes as the attack wants. Returns when it began, and what came of it."""
    arguments = [attack.name, target.host, str(target.port), str(target.pid)]
    command = [sys.executable, "-m", "loadtest.siege.attacker", *arguments]
    total = Outcome()
    processes: list[subprocess.Popen[str]] = []
    try:
        for _ in range(attack.num_processes):
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            processes.append(process)
        for process in processes:
            assert process.stdout  # for mypy: it is piped
            process.stdout.readline()  # it has imported what it needs
        started = time.monotonic()
        for process in processes:
            assert process.stdin  # for mypy: it is piped
            process.stdin.write("go\n")
            process.stdin.flush()
        for process in processes:
            total.add(_outcome(process, started + _MOST_SECONDS))
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    total.last_sent = total.last_sent or time.monotonic()
    return started, total


def _outcome(process: subprocess.Popen[str], deadline: float) -> Outcome:
    """What an attacker writes, or that it wrote nothing until the deadline."""
    try:
        written, _ = process.communicate(timeout=max(0.1, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        return Outcome(complaints=[f"the attack did not end within {_MOST_SECONDS:.0f} s"])
    if process.returncode:
        return Outcome(complaints=[f"the attacker ended with status {process.returncode}"])
    outcome = Outcome(**json.loads(written))
    outcome.statuses = Counter(outcome.statuses)  # a plain dictionary in JSON
    return outcome


def main() -> None:
    name, host, port, pid = sys.argv[1:]
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # some attacks have thousands of connections
    print("ready", flush=True)
    sys.stdin.readline()
    outcome = asyncio.run(ATTACKS[name].run(Target(host, int(port), int(pid))))
    outcome.last_sent = outcome.last_sent or time.monotonic()
    print(json.dumps(vars(outcome)), flush=True)


if __name__ == "__main__":
    main()
