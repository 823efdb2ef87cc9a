"""Any texts, under all options together: what is true of every answer. These are some 300 texts, always the same ones,
and by night more; `make fuzz` has new ones each time, for the shipped models."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from seq2serve.pb import translation_pb2 as pb
from server.serving.models.repository import read_repository
from tests.carrying import CarryingBackend, Script, carried_badly, write_carrying_bundle
from tests.conftest import Repositories
from tests.fuzz.attempt import Attempt
from tests.fuzz.cases import HTML, PLAIN, Case, cases
from tests.fuzz.checks import Readable
from tests.fuzz.reduction import reduced
from tests.integration.served import DEFAULT_MODEL, Served, serving

MODELS = ("transformer-en-fr", "lstm_attention-en-fr")

NUM_CASES = settings().max_examples // 5
"""Of ten contents each: 8, and by night 20."""


class Attempted:
    def __init__(self, runner: asyncio.Runner, attempt: Attempt, models: list[pb.Model]) -> None:
        self._runner = runner
        self._attempt = attempt
        self.models = models

    def problem(self, case: Case) -> str:
        """What is wrong with a case; empty if nothing is."""
        try:
            self._runner.run(self._attempt.check(case))
        except AssertionError as error:
            return str(error) or repr(error)
        return ""


@pytest.fixture(scope="module")
def attempted(repository_of: Repositories) -> Iterator[Attempted]:
    with _attempted(repository_of("rnn", "transformer", "lstm_attention"), MODELS) as attempted:
        yield attempted


@pytest.fixture(scope="module")
def attempted_carrying(carrying_tokenizer: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attempted]:
    """Of a model that loses, doubles and invents spans."""
    repository = tmp_path_factory.mktemp("carrying")
    write_carrying_bundle(repository, carrying_tokenizer)
    script = Script()
    script.begin(carried_badly)
    open_backend = partial(CarryingBackend, script=script)
    with _attempted(repository, [DEFAULT_MODEL], open_backend=open_backend) as attempted:
        yield attempted


@contextmanager
def _attempted(repository: Path, names: Sequence[str], **settings: Any) -> Iterator[Attempted]:
    """A server in an event loop of its own, which runs while a case is checked."""
    with asyncio.Runner() as runner:
        context = serving(repository, **settings)
        served: Served = runner.run(context.__aenter__())
        listed = runner.run(_list(served))
        readable = {bundle.manifest.name: Readable(bundle) for bundle in read_repository(repository)}
        yield Attempted(runner, Attempt(served.stub, readable), [each for each in listed if each.name in names])
        runner.run(context.__aexit__(None, None, None))


async def _list(served: Served) -> list[pb.Model]:
    return list((await served.stub.ListModels(pb.ListModelsRequest())).models)


@pytest.mark.parametrize("mime_type", [PLAIN, HTML])
@settings(max_examples=NUM_CASES, derandomize=True, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_texts_are_translated_as_the_contract_says(
    attempted: Attempted, mime_type: str, data: st.DataObject
) -> None:
    case = data.draw(cases(attempted.models, 10, [mime_type]))
    if problem := attempted.problem(case):
        pytest.fail(f"{problem}\n{reduced(case, lambda smaller: attempted.problem(smaller) == problem).line()}")


@pytest.mark.parametrize("mime_type", [PLAIN, HTML])
@settings(max_examples=NUM_CASES, derandomize=True, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_no_span_is_lost_by_a_model_that_carries_spans_badly(
    attempted_carrying: Attempted, mime_type: str, data: st.DataObject
) -> None:
    case = data.draw(cases(attempted_carrying.models, 10, [mime_type]))
    if problem := attempted_carrying.problem(case):
        pytest.fail(
            f"{problem}\n{reduced(case, lambda smaller: attempted_carrying.problem(smaller) == problem).line()}"
        )
