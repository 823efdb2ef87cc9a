"""What is compared: each translates all sentences at once, greedy or with a beam, as fast as it can."""

import gc
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

from server.bundle.manifest import read_bundle
from server.decoding.engine import Engine
from server.decoding.graphs.backend import Backend, BackendOptions
from server.decoding.metrics import EngineMetrics
from server.decoding.scheduler import Limits
from server.messages.options import DecodingOptions
from server.messages.sentence import Event, Finished, Sentence
from server.text.pieces import Pieces

LENGTH_PENALTY = 0.6


class System(ABC):
    settings: Sequence[int]
    """Numbers of rows, or of sentences in a batch; the fastest is chosen."""

    @abstractmethod
    def translate(
        self, sources: Sequence[list[int]], beam_size: int, setting: int, num_output: int | None = None
    ) -> list[list[int]]:
        """The translations' token ids, without EOS. `sources`: token ids that end with EOS; `num_output`: write so many
        tokens of each sentence."""


class OurEngine(System):
    settings = (32, 48, 64, 128)

    def __init__(self, bundle: Path, threads: int, is_listed: bool = False) -> None:
        """`is_listed`: translate with the model's shortlist."""
        self._bundle = read_bundle(bundle)
        self._is_listed = is_listed
        self._threads = threads
        self._engine: tuple[int, Engine] | None = None
        """The engine that is loaded, behind its number of rows."""
        self._outputs: dict[int, list[int]] = {}
        """Output ids of the sentences that are being translated, by index."""

    def translate(
        self,
        sources: Sequence[list[int]],
        beam_size: int,
        setting: int,
        num_output: int | None = None,
        start_ids: tuple[int, ...] = (),
    ) -> list[list[int]]:
        """start_ids: what the decoder reads behind its start token."""
        limit = self._bundle.manifest.max_output_tokens
        self._outputs.clear()
        engine = self._with_rows(setting)
        engine.submit(
            [
                Sentence(
                    source,
                    DecodingOptions(
                        max_output_tokens=num_output or min(2 * len(source) + 10, limit),
                        beam_size=beam_size,
                        length_penalty=LENGTH_PENALTY,
                        use_shortlist=self._is_listed,
                        start_ids=start_ids,
                    ),
                    index,
                )
                for index, source in enumerate(sources)
            ]
        )
        while engine.turn():
            pass
        return [self._outputs[index] for index in range(len(sources))]

    def _post(self, events: list[tuple[int, Event]]) -> None:
        for index, event in events:
            assert isinstance(event, Finished)
            self._outputs[index] = event.hypotheses[0].output_ids

    def _with_rows(self, max_rows: int) -> Engine:
        """The engine with so many rows; it stays loaded, as in a server, until another number of rows is asked for."""
        if self._engine and self._engine[0] == max_rows:
            return self._engine[1]
        self._engine = None
        backend = Backend(self._bundle, BackendOptions(max_rows, self._threads))
        engine = Engine(
            self._bundle.manifest,
            backend,
            Pieces(()),
            Limits(max_rows, max_joining_tokens=512),
            self._post,
            EngineMetrics(self._bundle.manifest.name),
        )
        self._engine = max_rows, engine
        gc.freeze()  # as the process that decodes does
        return engine
