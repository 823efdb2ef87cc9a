"""The engine beside CTranslate2 and PyTorch: `make bench` measures all, `make bench-quick` a part.

Everything is measured in one run, on the same weights, sentences and machine; what is compared is measured in turns,
so that a slow minute of the machine meets all. Writes `build/bench.json`, whose flat `ratios` are the summary, and
`build/bench.html`.
"""

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path

from bench import (
    at_opus_size,
    ideas,
    large_vocabulary,
    offline,
    operators,
    overload,
    sentence_latency,
    serving_process,
    sizes,
    under_load,
)
from bench.findings import Cell, Findings
from bench.html_report import goals_table, text_table, write_html
from bench.plan import Plan
from bench.process import BenchError
from loadtest.running_server import ServerError
from models.data.corpora import CorpusError, data_folder
from server.decoding.graphs.attention_operator import LIBRARY

SECTIONS: dict[str, Callable[[Plan], Findings]] = {
    "at_opus_size": at_opus_size.measure,
    "offline": offline.measure,
    "sentence_latency": sentence_latency.measure,
    "under_load": partial(under_load.measure, size=sizes.SHIPPED),
    "under_load_opus_size": partial(under_load.measure, size=sizes.OPUS_SIZE),
    "under_load_opus_size_listed": partial(under_load.measure, size=sizes.OPUS_SIZE_LISTED),
    "overload": partial(overload.measure, size=sizes.SHIPPED),
    "overload_opus_size": partial(overload.measure, size=sizes.OPUS_SIZE),
    "large_vocabulary": large_vocabulary.measure,
    "ideas": ideas.measure,
    "operators": operators.measure,
    "serving_process": serving_process.measure,
}

NOT_QUICK = ("overload", "overload_opus_size")
"""Sections that the quick form leaves out unless they are asked for."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Compare with other engines.")
    parser.add_argument("--quick", action="store_true", help="fewer sizes, rates and repetitions: five minutes")
    parser.add_argument("--section", action="append", choices=SECTIONS, help="one of several (default: all)")
    parser.add_argument("--rounds", type=int, help="measurements of each (default: 7, or 5 if quick)")
    parser.add_argument("--sentences", type=int, help="of each test set (default: all, or 300 if quick)")
    parser.add_argument("--file", type=Path, help="translate the lines of a file, and no test set")
    parser.add_argument("--data", type=Path, help="the corpora's folder (default: $SEQ2SERVE_DATA, else data)")
    parser.add_argument("--output", type=Path, default=Path("build/bench.json"))
    arguments = parser.parse_args()
    output: Path = arguments.output
    output.parent.mkdir(parents=True, exist_ok=True)
    quick = arguments.quick
    plan = Plan(
        quick=quick,
        rounds=arguments.rounds or (5 if quick else 7),
        sentences=arguments.sentences or (300 if quick else 0),
        file=arguments.file,
        data=data_folder(arguments.data),
        folder=output.parent / "bench",
    )
    findings: dict[str, Findings] = {}
    try:
        for name in arguments.section or [name for name in SECTIONS if not (quick and name in NOT_QUICK)]:
            started = time.monotonic()
            findings[name] = SECTIONS[name](plan)
            print("\n\n".join(map(text_table, findings[name].tables)), flush=True)
            print(f"\n{name}: {time.monotonic() - started:.0f} s\n", flush=True)
    except (BenchError, CorpusError, ServerError, OSError) as error:
        sys.exit(f"error: {error}")
    about: dict[str, Cell] = machine()
    report = {
        "ratios": {ratio: value for found in findings.values() for ratio, value in found.ratios.items()},
        "machine": about,
        "quick": quick,
        "rounds": plan.rounds,
        **{name: found.raw for name, found in findings.items()},
    }
    output.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    write_html(output.with_suffix(".html"), about, [*findings.values()])
    print(text_table(goals_table(findings.values())))
    print(f"\nwritten to {output} and {output.with_suffix('.html')}")


def machine() -> dict[str, Cell]:
    """The machine that the figures are of."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if Path("/proc/cpuinfo").exists() else []
    facts = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return {
        "processor": facts.get("model name", platform.machine()),
        "attention operator": "compiled" if LIBRARY.exists() else "ONNX Runtime's",
        "VNNI": "yes" if "vnni" in facts.get("flags", "") else "no",
        "cores": os.cpu_count() or 0,
        "memory, GB": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "Python": platform.python_version(),
        **{package: version(package) for package in ("ctranslate2", "grpcio", "numpy", "onnxruntime", "torch")},
    }


if __name__ == "__main__":
    main()
