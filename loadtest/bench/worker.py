"""One system in a process of its own, so that its memory is its own: lines of JSON in, lines of JSON out."""

import json
import resource
import sys
import time
from pathlib import Path

from loadtest.bench.systems import CTranslate2, OurEngine, System


def open_system(name: str, threads: int, folder: Path) -> System:
    if name == "seq2serve-int8":
        return OurEngine(Path("model_repository/transformer-en-fr/1"), threads)
    quantization = name.removeprefix("ctranslate2-")
    return CTranslate2(Path("checkpoints/transformer"), quantization, threads, folder / name)


def main() -> None:
    system = open_system(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
    print(json.dumps({"settings": list(system.settings)}), flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        started = time.perf_counter()
        outputs = system.translate(order["sources"], order["beam_size"], order["setting"])
        seconds = time.perf_counter() - started
        peak_megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
        print(json.dumps({"seconds": seconds, "outputs": outputs, "peak_megabytes": peak_megabytes}), flush=True)


if __name__ == "__main__":
    main()
