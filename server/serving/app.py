"""Wiring: settings to models, engines and a gRPC server; start, serve, drain."""

import asyncio
import gc
import logging
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast
from wsgiref.simple_server import WSGIServer

import grpc
from grpc_health.v1 import health, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2_grpc
from grpc_reflection.v1alpha._async import ReflectionServicer

from log_format import JSON
from seq2serve.addresses import Address, parse_address
from seq2serve.glossary_file import MAX_TERM_CHARACTERS
from seq2serve.pb import model_admin_pb2_grpc, operations_pb2_grpc, translation_pb2, translation_pb2_grpc
from server.bundle.manifest import BundleError
from server.config import ServerConfig
from server.keys.key_file import KeyFileError
from server.serving.access.certificates import CertificateError
from server.serving.access.guard import Guard, check_exposure
from server.serving.descriptors import DescriptorLimit
from server.serving.engines.keeper import CLOSE_SECONDS, Timing
from server.serving.engines.launch import Launch, launch_process
from server.serving.engines.processes import Engines, EngineSeries
from server.serving.example import example_command
from server.serving.metrics import Metrics, watch_lag
from server.serving.models.registry import ModelRegistry
from server.serving.models.watch import RepositoryWatch, follow, reload_or_log
from server.serving.output import write_line
from server.serving.protocols.descriptions import Descriptions
from server.serving.protocols.google_translation import GoogleTranslationService
from server.serving.protocols.inference import InferenceService
from server.serving.protocols.pb import (
    inference_pb2,
    inference_pb2_grpc,
    translation_service_pb2,
    translation_service_pb2_grpc,
)
from server.serving.requests.admission import Admission
from server.serving.requests.cache import TranslationCache
from server.serving.requests.options import OptionLimits
from server.serving.requests.parse import RequestLimits
from server.serving.rpc.calls import Calls
from server.serving.rpc.ended import CallLog, Observe, each_of
from server.serving.rpc.exchange import Exchange
from server.serving.rpc.health import Health
from server.serving.rpc.listen import TransportLimits, channel_options
from server.serving.rpc.model_admin import MODEL_ADMIN, ModelAdminService
from server.serving.rpc.operations import OPERATIONS, OperationsService
from server.serving.rpc.probes import MAX_CONNECTIONS, Probes
from server.serving.rpc.translation import TranslationService
from server.serving.signals import handle_signals
from server.serving.sockets import listen_for_metrics, listen_for_rpcs, num_endpoints, stop_metrics

if TYPE_CHECKING:
    from server.serving.rpc.traces import Traces

_logger = logging.getLogger("server")

SERVICE = translation_pb2.DESCRIPTOR.services_by_name["TranslationService"].full_name

PROTOCOLS = (
    SERVICE,
    inference_pb2.DESCRIPTOR.services_by_name["GRPCInferenceService"].full_name,
    translation_service_pb2.DESCRIPTOR.services_by_name["TranslationService"].full_name,
)
"""The services that translate: ours, and those of other protocols, which do it by asking ours."""

_OTHER_BYTES = 1_000_000
"""Bytes of a request other than its texts."""

_FLUSH_SECONDS = 0.5
"""Time at shutdown for the last answers to reach the wire."""

_TRACES_SECONDS = 2.0
"""Time at shutdown for the last traces to reach their collector, while the engines end, which may take longer."""

_ACCEPTED_SECONDS = 2.0
"""The most that a drain waits, within its grace, for the calls that gRPC has accepted to begin."""

CLOSING_SECONDS = CLOSE_SECONDS + 2 * _FLUSH_SECONDS
"""The most that a stop takes after the grace: what the engines get to end, and what gRPC and the metrics need."""


class App:
    """One serving process: `start`, then `wait`, then `stop`."""

    def __init__(self, config: ServerConfig, launch: Launch = launch_process, timing: Timing | None = None) -> None:
        """`launch`: how what decodes is started; `timing`: when an engine counts as lost, where not as usual. Raises
        ValueError for an address that is none."""
        self._config = config
        self._listen_address = parse_address("listen", config.listen)
        self._metrics_address = None
        if config.metrics_listen:
            self._metrics_address = parse_address("metrics_listen", config.metrics_listen)
            if self._metrics_address.path:
                raise ValueError(f"metrics_listen: host:port or :port expected, got {self._metrics_address}")
        self.probes: Probes | None = None
        """Health checks at an address of their own, where there are any."""
        if config.health_listen:
            self.probes = Probes(config.health_listen, config.max_streams, config.max_connection_age_seconds)
        check_exposure(config, self._listen_address)
        self._traces = _open_traces(config.otlp_endpoint) if config.otlp_endpoint else None
        self._health_changed = asyncio.Event()
        self._engines = Engines(self._health_changed.set, launch, timing)
        self._metrics = Metrics()
        self.registry = ModelRegistry(config, self._engines, self._metrics, self._health_changed.set)
        self._health = Health(PROTOCOLS)
        self._stopping = asyncio.Event()
        self._reloading: set[asyncio.Task[Any]] = set()
        self._metrics_servers: list[WSGIServer] = []
        self.port = 0
        """Port of the gRPC server, once it has started."""
        self.metrics_port = 0
        """Port of the metrics over HTTP, once they are served."""

    @property
    def address(self) -> Address:
        """Where a client on this machine reaches the server, once it has started."""
        return replace(self._listen_address, port=self.port).reachable

    async def start(self) -> None:
        """Load and warm every model, then listen. Raises BundleError, KeyFileError, CertificateError, or OSError for an
        address that is taken."""
        self._guard = Guard(self._config, self._metrics)
        watch = RepositoryWatch(self._config.model_repository)
        try:
            await self.registry.start()
            gc.freeze()  # what is loaded stays: the collector need not look through it again and again
            await self._listen()
        except BaseException:
            await self._engines.abandon()
            raise
        self._health.tell(self.registry.health)
        self._watching = asyncio.create_task(self._watch_health())
        if seconds := self._config.watch_seconds:
            self._reloading.add(asyncio.create_task(follow(watch, self.registry, seconds)))

    async def _listen(self) -> None:
        config = self._config
        limits = RequestLimits(
            config.max_contents,
            config.max_content_characters,
            config.max_waiting,
            config.max_do_not_translate,
            OptionLimits(
                min(config.max_beam_size, config.max_rows), config.max_forbidden_phrases, config.max_glossary_entries
            ),
        )
        cache = (
            TranslationCache(config.cache_megabytes * 1_000_000, self._metrics.cache)
            if config.cache_megabytes
            else None
        )
        admission = Admission(config.max_calls, config.max_request_megabytes * 1_000_000)
        observers: list[Observe] = [CallLog(config.log_format == JSON, config.slow_request_ms / 1000)]
        if self._traces:
            observers.append(self._traces)
        observe = each_of(observers)
        access, max_seconds = self._guard.access, config.max_call_seconds
        calls = self._calls = Calls(self._metrics, admission, PROTOCOLS, max_seconds, access, observe)
        exchange = Exchange(admission, calls.connections_are_told, calls.failures, observe)
        models, requests = self.registry.models, self._metrics.requests
        translations = TranslationService(models, limits, requests, exchange, cache)
        translation_pb2_grpc.add_TranslationServiceServicer_to_server(translations, calls)
        # Whoever reaches a server that listens on this machine alone may change what is served; elsewhere an admin, or
        # where there are no keys whoever has shown a certificate.
        changes_models = self._listen_address.is_local or bool(config.keys or config.tls_client_authorities)
        descriptions = Descriptions(self.registry, config.model_repository, limits.max_contents, requests)
        inference_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(
            InferenceService(translations, descriptions, exchange, self.registry if changes_models else None), calls
        )
        translation_service_pb2_grpc.add_TranslationServiceServicer_to_server(
            GoogleTranslationService(translations, models), calls
        )
        operations = OperationsService(self._engines.look, calls.connections_are_told)
        operations_pb2_grpc.add_OperationsServiceServicer_to_server(operations, calls)
        services = [*PROTOCOLS, OPERATIONS, health.SERVICE_NAME, reflection.SERVICE_NAME]
        if changes_models:
            model_admin_pb2_grpc.add_ModelAdminServiceServicer_to_server(ModelAdminService(self.registry), calls)
            services.append(MODEL_ADMIN)
        health_pb2_grpc.add_HealthServicer_to_server(self._health.servicer, cast(grpc.Server, calls))
        if config.reflection or self._listen_address.is_local:
            described = ReflectionServicer(services)
            reflection_pb2_grpc.add_ServerReflectionServicer_to_server(described, calls)
        transport = TransportLimits(_largest_request(limits), config.max_streams, config.max_connection_age_seconds)
        descriptors = DescriptorLimit(MAX_CONNECTIONS if self.probes else 0)
        # gRPC counts connections by listening socket.
        max_connections = max(1, descriptors.max_connections // num_endpoints("listen", self._listen_address))
        options = [*channel_options(transport), ("grpc.max_allowed_incoming_connections", max_connections)]
        self._server = grpc.aio.server(handlers=[calls], options=options)
        self.port = listen_for_rpcs(self._server, "listen", self._listen_address, self._guard.credentials).port
        self._lag = asyncio.create_task(watch_lag(self._metrics.event_loop_lag))
        registry = self._metrics.registry
        registry.register(EngineSeries(self._engines, asyncio.get_running_loop()))
        if self._metrics_address:
            self._metrics_servers, bound = listen_for_metrics(registry, "metrics_listen", self._metrics_address)
            self.metrics_port = bound.port
        await self._server.start()
        if self.probes:
            await self.probes.start(self._health, self._metrics)
        self._guard.watch()
        self._descriptor_watch = asyncio.create_task(descriptors.warn_when_reached())

    async def wait(self) -> None:
        """Until `request_stop`."""
        await self._stopping.wait()

    def request_stop(self) -> None:
        self._stopping.set()

    def reload(self) -> None:
        """Begin to serve what the repositories say now."""
        task = asyncio.create_task(reload_or_log(self.registry))
        self._reloading.add(task)
        task.add_done_callback(self._reloading.discard)

    async def stop(self) -> bool:
        """Drain: health says so at once, and calls are taken until the drain delay is over, for whoever probes the
        health sends some until its next probe; then no new request, and running ones get the grace to end. Returns
        whether all was well."""
        for task in (self._watching, *self._reloading):
            task.cancel()
        self._health.drain()
        await asyncio.sleep(self._config.drain_delay_seconds)
        grace = self._config.grace_seconds
        grace_ends = time.monotonic() + grace
        self._calls.is_draining = True
        # Only calls that have begun can be refused by name: gRPC cancels all others when it stops.
        await self._calls.wait_until_none_begins(min(_ACCEPTED_SECONDS, grace / 2))
        stopped = asyncio.ensure_future(self._server.stop(max(0, grace_ends - time.monotonic())))
        self._calls.connections_are_told.set()  # they are by the time that anybody who waits for it goes on
        idle = asyncio.ensure_future(self._calls.wait_until_idle(_FLUSH_SECONDS))
        await asyncio.wait({stopped, idle}, return_when=asyncio.FIRST_COMPLETED)
        idle.cancel()
        await self._server.stop(None)  # who only watches the health, or reflects, is not waited for
        await stopped
        if self.probes:
            await self.probes.stop()
        closing = asyncio.ensure_future(self._engines.close())
        if self._traces:
            await self._traces.stop(_TRACES_SECONDS)
        is_well = await closing
        self._lag.cancel()
        self._guard.stop()
        self._descriptor_watch.cancel()
        await asyncio.to_thread(stop_metrics, self._metrics_servers)
        return is_well

    async def _watch_health(self) -> None:
        """Health is what the models and their engines are; never ends by itself."""
        while True:
            await self._health_changed.wait()
            self._health_changed.clear()
            self._health.tell(self.registry.health)


def _open_traces(endpoint: str) -> "Traces":
    """Raises ValueError for an endpoint that is none, and where OpenTelemetry is not installed, which is an extra."""
    try:
        from server.serving.rpc.traces import Traces
    except ImportError as error:
        install = "pip install --editable '.[serve,tracing]'"
        raise ValueError(f"otlp_endpoint: needs OpenTelemetry: {install} ({error})") from error
    return Traces(endpoint)


def _largest_request(limits: RequestLimits) -> int:
    """Bytes of the largest request that the limits allow, so that it is they that refuse one, by name."""
    options = limits.options
    # Of contents, and of translations of them that are to be scored.
    num_characters = 2 * limits.max_contents * limits.max_content_characters
    num_terms = options.max_forbidden_phrases + 2 * options.max_glossary_entries + limits.max_do_not_translate
    num_characters += num_terms * MAX_TERM_CHARACTERS
    return 4 * num_characters + _OTHER_BYTES  # a character has at most 4 bytes in UTF-8


async def serve(config: ServerConfig) -> int:
    """Serve until a signal ends it. Returns the process's exit code."""
    try:
        app = App(config)
    except ValueError as error:
        write_line(f"error: {error}", sys.stderr)
        return 2
    handle_signals(app.request_stop, app.reload)
    try:
        await app.start()
    except (BundleError, KeyFileError, CertificateError, OSError) as error:
        write_line(f"error: {error}", sys.stderr)
        return 1
    write_line(f"serving on {app.address}; translate a sentence with:")
    model = app.registry.models[app.registry.models.default].main
    write_line(f"  {example_command(app.address, config, model)}")
    await app.wait()
    _logger.info("draining, for at most %s s", config.drain_delay_seconds + config.grace_seconds)
    return 0 if await app.stop() else 1
