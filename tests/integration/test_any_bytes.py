"""Whatever bytes come, as messages of any method or as frames of HTTP/2, are answered or refused as the contract has
it. `make fuzz-wire` has many more of them."""

import os
from pathlib import Path

from tests.fuzz.frames import send_all
from tests.fuzz.wire import Fuzzing, fuzzed_server


async def test_every_method_answers_or_refuses_any_bytes(tmp_path: Path) -> None:
    async with fuzzed_server(tmp_path) as served:
        fuzzing = Fuzzing(served)
        await fuzzing.call_all(range(400))
    assert fuzzing.problems == []
    assert {"OK", "INVALID_ARGUMENT", "NOT_FOUND"} <= fuzzing.codes.keys()


async def test_an_honest_client_is_answered_beside_any_frames(tmp_path: Path) -> None:
    async with fuzzed_server(tmp_path) as served:
        outcome = await send_all(served.address, os.getpid(), seed=1, num_connections=60)
    assert outcome.problems == []
    assert outcome.ends.total() == 60
