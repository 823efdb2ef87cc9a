"""What both clients are, but for sending and waiting: settings, the servers' limits, and the calls that a caller's
texts become."""

import copy
import sys
import threading
import time
from collections.abc import Sequence
from typing import Self

from seq2serve.attempts import Attempts
from seq2serve.channel import ConnectionOptions, Metadata, connection_to
from seq2serve.pb import translation_pb2 as pb
from seq2serve.requests import CallOptions
from seq2serve.stream_call import StreamCall
from seq2serve.unary_call import Texts, UnaryCall, parts

MAX_CALLS = 4
"""Parts of one caller's texts that are with the servers at a time."""


class Core:
    def __init__(
        self,
        address: str | Sequence[str],
        timeout: float,
        retries: bool,
        options: ConnectionOptions,
        repeats_refused: bool = True,
    ) -> None:
        self.connection = connection_to(address, retries=retries, **options)
        self._address = address if isinstance(address, str) else ",".join(address)
        self._timeout = timeout
        self._retries = retries
        self._repeats_refused = repeats_refused
        self._limits: dict[str, pb.ModelLimits] = {}
        """Of each model, by its name; empty until they are learned. The default model has its own name and none."""
        self.closed = threading.Event()
        """Set with the client's closing; shared, like the channel, with those on whose behalf it calls."""

    def on_behalf(self, api_key: str, metadata: Metadata) -> Self:
        """The same for a caller of this program's own; what was learned of the servers is shared."""
        other = copy.copy(self)
        other.connection = self.connection.on_behalf(api_key, metadata)
        return other

    @property
    def description(self) -> str:
        """Where the calls go."""
        return f"{self._address!r}, {'with' if self.connection.credentials else 'without'} TLS"

    def deadline(self, options: CallOptions) -> float:
        """When a call that begins now has to be over, on the clock of `time.monotonic`."""
        return time.monotonic() + options.get("timeout", self._timeout)

    def needs_limits(self, num_texts: int) -> bool:
        """Whether the servers' limits have to be learned first; one text alone is within every limit."""
        return num_texts > 1 and not self._limits

    def learn_limits(self, models: Sequence[pb.Model]) -> None:
        self._limits.clear()
        self._limits.update({model.name: model.limits for model in models})
        defaults = [model.limits for model in models if model.is_default]
        if defaults:
            self._limits[""] = defaults[0]

    def models_call(self, deadline: float) -> UnaryCall[pb.ListModelsRequest]:
        return UnaryCall(pb.ListModelsRequest(), self._attempts(deadline))

    def model_call(self, name: str, deadline: float) -> UnaryCall[pb.GetModelRequest]:
        return UnaryCall(pb.GetModelRequest(name=name), self._attempts(deadline))

    def text_calls(self, request: Texts, field: str, deadline: float) -> list[UnaryCall[Texts]]:
        """The calls that the contents or pairs of a request become, whatever `field` names; none of none."""
        found = parts(request, field, self._max_contents(request.model))
        return [UnaryCall(part, self._attempts(deadline), places) for part, places in found]

    def stream_call(self, request: pb.TranslateRequest, deadline: float) -> StreamCall:
        return StreamCall(request, self._max_contents(request.model), self._attempts(deadline))

    def _max_contents(self, model: str) -> int:
        """Of one request. A model that is not served is the server's to refuse."""
        name = model.partition("@")[0]  # a version, or a label of one, may stand behind it
        limits = [self._limits[name]] if name in self._limits else self._limits.values()
        return min((one.max_contents for one in limits if one.max_contents), default=sys.maxsize)

    def _attempts(self, deadline: float) -> Attempts:
        return Attempts(deadline, self._retries, repeats_refused=self._repeats_refused)
