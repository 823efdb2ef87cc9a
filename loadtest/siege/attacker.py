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
    command = [sys.executable, "-m", "loadtest.siege.attacker", attack.name, target.host, str(target.port)]
    processes = [
        subprocess.Popen([*command, str(target.pid)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(attack.num_processes)
    ]
    for process in processes:
        assert process.stdout
        process.stdout.readline()  # it has imported what it needs
    started = time.monotonic()
    total = Outcome()
    for process in processes:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        try:
            written, _ = process.communicate(timeout=max(0.1, started + _MOST_SECONDS - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            total.check(False, f"the attack did not end within {_MOST_SECONDS:.0f} s")
        else:
            total.check(process.returncode == 0, f"the attacker ended with status {process.returncode}")
            if process.returncode == 0:
                outcome = Outcome(**json.loads(written))
                outcome.statuses = Counter(outcome.statuses)
                total.add(outcome)
    total.last_sent = total.last_sent or time.monotonic()
    return started, total


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
