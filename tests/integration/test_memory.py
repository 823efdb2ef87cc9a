"""What an engine takes up levels off, whatever is asked of it."""

import gc
import random
from pathlib import Path

from server.decoding.engine import Engine
from server.decoding.graphs.backend import Backend, BackendOptions
from server.decoding.metrics import EngineMetrics
from server.decoding.scheduler import Limits
from server.messages.options import DecodingOptions
from server.messages.sentence import Sentence
from tests.conftest import SmallModels
from tests.fakes import EOS, NO_PIECES
from tests.small_models import VOCABULARY_SIZE

MAX_ROWS = 12
NUM_WARM, NUM_MEASURED = 3, 6
"""Rounds, each of the same sentences: the first ones reach the high-water mark of everything that has one."""
MAX_GROWTH = 2_000_000
"""Bytes, through all measured rounds."""


def sentences(number: int) -> list[Sentence]:
    """Every kind of decoding, at all lengths."""
    chosen = random.Random(5)
    made = []
    for _ in range(number):
        limit = chosen.randint(1, 40)
        kinds = [
            {},
            {"use_shortlist": True},
            {"beam_size": chosen.randint(2, 8)},
            {"beam_size": chosen.randint(1, 8), "no_repeat_ngram_size": 2, "alignment": True},
            {"num_samples": chosen.randint(1, 8), "top_k": 20, "seed": chosen.randrange(1000)},
            {"prefix": tuple(chosen.randrange(4, VOCABULARY_SIZE) for _ in range(3)), "token_log_probs": True},
        ]
        options = DecodingOptions(max_output_tokens=limit + 3, **chosen.choice(kinds))  # type: ignore[arg-type]
        source = [chosen.randrange(4, VOCABULARY_SIZE) for _ in range(chosen.randint(1, 40))]
        made.append(Sentence([*source, EOS], options, None, streams=chosen.random() < 0.5))
    return made


def resident_bytes() -> int:
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["RssAnon"].split()[0]) * 1024


def test_memory_levels_off_under_options_of_every_kind(small_model: SmallModels) -> None:
    bundle = small_model("transformer").bundle
    backend, limits = Backend(bundle, BackendOptions(MAX_ROWS, 1)), Limits(MAX_ROWS, max_joining_tokens=200)
    engine = Engine(bundle.manifest, backend, NO_PIECES, limits, lambda events: None, EngineMetrics("small"))
    asked = sentences(120)

    def measure() -> tuple[int, int]:
        ids = engine.submit(asked)
        for _ in range(50):
            engine.turn()
        engine.cancel(ids[::7])
        while engine.turn():
            pass
        gc.collect()
        return resident_bytes(), len(gc.get_objects())

    for _ in range(NUM_WARM):
        before = measure()
    for _ in range(NUM_MEASURED):
        after = measure()
    assert after[0] - before[0] < MAX_GROWTH
    assert after[1] - before[1] < 300, "objects of Python that nothing needs any more"
