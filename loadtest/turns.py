"""All models of a server asked for the same texts in turns, one call at a time.

Nothing lies between two models' calls but milliseconds, so that whatever else the machine does meets all of them alike;
and one call at a time makes the decoder's steps the same ones in every run, where the batches of many users are not.
"""

import json
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from loadtest.calibration import calibrate
from loadtest.calls import Caller, serialise_requests
from loadtest.connections import connect
from loadtest.driven import DrivenModel, choose, list_models, same_direction
from loadtest.running_server import running_server
from loadtest.workloads import make_texts
from seq2serve.channel import open_channel
from seq2serve.pb import translation_pb2 as pb

_METHOD = "translation.v1.TranslationService/Translate"
_WORKLOAD = "texts"
"""Of several sentences, which are decoded together: most of such a call is steps, and of many rows."""
_NUM_WARMING = 10
"""Texts that every model translates before anything counts."""


class Call(NamedTuple):
    """One call, in milliseconds."""

    decoding: float
    """From the first row to the last token, as the server's log has it."""
    output_tokens: int
    whole: float
    """As the caller has it."""


class Turn(NamedTuple):
    """One text, translated by every model."""

    calibration_ms: float
    calls: Mapping[str, Call]
    """By model."""


MEASURES: Mapping[str, Callable[[Call], float]] = {
    "decoding, a token": lambda call: call.decoding / call.output_tokens,
    "whole call": lambda call: call.whole,
}
"""Milliseconds of a call that are compared, by name."""


def take_turns(command: Sequence[str], log: Path, num_texts: int, seed: int) -> list[Turn]:
    """Start a server with `command`, which has to make it log every call as JSON, and ask its models for so many texts.
    `seed`: of the models' order in each turn.

    Raises ServerError, NotDriven, grpc.RpcError, or ValueError for a log that lacks calls.
    """
    with running_server(command, log) as server:
        connection = connect({"address": server.address})
        with open_channel(connection) as channel:
            listed = list_models(channel, connection)
        models = choose(listed, same_direction(listed))
        caller = Caller(connection, num_channels=1)
        try:
            asked = list(_ask(caller, models, num_texts, random.Random(seed)))
        finally:
            caller.close()
    logged = _logged_calls(log)
    turns = []
    for calibration, times in asked:
        calls = {}
        for model, whole in times.items():
            line = next(logged, {})
            if (line.get("model"), line.get("code")) != (model, "OK") or "decode_ms" not in line:
                raise ValueError(f"{log}: a line of every call expected, got {line} for one of {model}")
            calls[model] = Call(line["decode_ms"], line["output_tokens"], whole)
        turns.append(Turn(calibration, calls))
    return turns[_NUM_WARMING:]


def _ask(
    caller: Caller, models: Sequence[DrivenModel], num_texts: int, chooser: random.Random
) -> Iterator[tuple[float, dict[str, float]]]:
    """For each turn the calibration, and what the models' calls took, in their order."""
    requests = {
        model.name: serialise_requests(
            model.name, pb.DecodingOptions(), model.pair, make_texts(_WORKLOAD, model.sentences)
        )
        for model in models
    }
    for number in range(_NUM_WARMING + num_texts):
        times = {}
        [calibration] = calibrate(repeats=1)
        for model in chooser.sample(list(requests), len(requests)):
            started = time.perf_counter()
            caller.call("unary", requests[model][number % len(requests[model])])
            times[model] = (time.perf_counter() - started) * 1e3
        yield calibration, times


def _logged_calls(log: Path) -> Iterator[dict[str, Any]]:
    for text in log.read_text(encoding="utf-8").splitlines():
        line = json.loads(text) if text.startswith("{") else {}
        if line.get("method") == _METHOD:
            yield line
