"""Traces of calls, which OpenTelemetry's SDK makes and sends to a collector by OTLP over gRPC. Names, numbers and ids
alone, never text.

Spans are made when a call has ended, from what is known of it then, with the times at which everything was.
"""

import asyncio
import re
import time
from collections import defaultdict
from typing import Any

import grpc
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, StatusCode, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import AttributeValue

from seq2serve.addresses import parse_target
from server.serving.rpc.call import Call, TraceContext
from server.serving.rpc.ended import EndedCall

_ENDPOINT = re.compile("(https?)://([^/]*)/?")

_SERVER_ERRORS = {
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.UNIMPLEMENTED,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DATA_LOSS,
}
"""Codes that make a server's span an error, by OpenTelemetry's conventions: others are the client's doing."""


class Traces:
    """Takes every call that has ended. Used on the event loop's thread alone; a thread of the SDK's sends
    the spans, and when many wait for it, the oldest are lost."""

    def __init__(self, endpoint: str) -> None:
        """`endpoint`: the collector's http://host:port, or https. What else there is to set, the SDK reads from the
        variables that it has for it, OTEL_*. Raises ValueError."""
        target, is_secure, options = _parse_endpoint(endpoint)
        # Its own name unless a variable has another.
        resource = Resource({SERVICE_NAME: "seq2serve"}).merge(OTELResourceDetector().detect())
        try:
            self._exporter = OTLPSpanExporter(target, insecure=not is_secure, channel_options=options)
            self._provider = TracerProvider(resource=Resource.create(resource.attributes), shutdown_on_exit=False)
            self._provider.add_span_processor(BatchSpanProcessor(self._exporter))
        except Exception as error:  # of many kinds
            raise ValueError(f"otlp_endpoint: a variable OTEL_* cannot be used: {error}") from error
        self._tracer = self._provider.get_tracer("seq2serve")
        self._propagator = TraceContextTextMapPropagator()
        self._streams: dict[TraceContext, Span] = {}
        """Spans of streams that are open, and have had a request that has ended."""

    def __call__(self, ended: EndedCall) -> None:
        call, clock = ended.call, _Clock()
        if call.stream:
            if not (stream := self._streams.get(call.trace)):
                stream = self._streams[call.trace] = self._start(call.stream, clock)
            span = self._tracer.start_span(
                f"{call.method} request", set_span_in_context(stream), start_time=clock.nanoseconds(call.started)
            )
        else:
            begun = self._streams.pop(call.trace) if call.trace in self._streams else None
            span = begun or self._start(call, clock)
        if span.is_recording():
            self._record(ended, span, clock)
        span.end(clock.nanoseconds(ended.ended))

    def _start(self, call: Call, clock: "_Clock") -> Span:
        """The span of a call, as a child of the client's, if the client has told one."""
        metadata = defaultdict(list)
        for name, value in call.trace.metadata:
            if isinstance(value, str):
                metadata[name].append(value)
        parent: Context = self._propagator.extract(metadata, Context())
        return self._tracer.start_span(call.method, parent, SpanKind.SERVER, start_time=clock.nanoseconds(call.started))

    def _record(self, ended: EndedCall, span: Span, clock: "_Clock") -> None:
        """Write what became of a call, or of a request of a stream, into its span, and make spans of its phases."""
        span.set_attributes(_attributes(ended))
        if ended.code in _SERVER_ERRORS:
            span.set_status(StatusCode.ERROR)
        parent = set_span_in_context(span)
        for name, phase in ended.call.record.phases.items():
            child = self._tracer.start_span(name, parent, start_time=clock.nanoseconds(phase.start))
            child.end(clock.nanoseconds(phase.end))

    async def stop(self, seconds: float) -> None:
        """Send the spans that wait, for so long at the most; what the collector has not taken by then is lost."""
        flushing = asyncio.create_task(asyncio.to_thread(self._provider.shutdown))
        await asyncio.wait({flushing}, timeout=seconds)
        if not flushing.done():
            self._exporter.shutdown()  # so that what is being sent is given up
        await flushing


class _Clock:
    """Times of `time.monotonic` as nanoseconds since 1970, by what both clocks say now."""

    def __init__(self) -> None:
        self._offset = time.time_ns() - time.monotonic_ns()

    def nanoseconds(self, monotonic: float) -> int:
        return self._offset + round(1e9 * monotonic)


def _attributes(ended: EndedCall) -> dict[str, AttributeValue]:
    call = ended.call
    service, _, method = call.method.rpartition("/")
    return {
        "rpc.system": "grpc",
        "rpc.service": service,
        "rpc.method": method,
        "rpc.grpc.status_code": ended.code.value[0],
        "seq2serve.request_id": call.request_id,
        "seq2serve.caller": call.caller.name,
        **{f"seq2serve.{name}": value for name, value in call.record.numbers.items()},
    }


def _parse_endpoint(endpoint: str) -> tuple[str, bool, Any]:
    """What the exporter is given: the endpoint, whether it has TLS, and the options of the channel, of which it says
    that they have text as values, while gRPC wants numbers. Raises ValueError."""
    match = _ENDPOINT.fullmatch(endpoint)
    if not match or match[2].startswith("unix:"):
        raise ValueError(f"otlp_endpoint: http://host:port or https://host:port expected, got {endpoint!r}")
    scheme, address = match[1], parse_target("otlp_endpoint", match[2])
    return f"{scheme}://{address}", scheme == "https", tuple(address.channel_options)
