"""Wiring: settings to models, engines and a gRPC server; start, serve, drain."""

import asyncio
import gc
import itertools
import logging
import shlex
import signal
import sys
from collections.abc import Mapping
from typing import cast
from wsgiref.simple_server import WSGIServer

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2_grpc
from grpc_reflection.v1alpha._async import ReflectionServicer
from prometheus_client import start_http_server

from seq2serve.pb import translation_pb2, translation_pb2_grpc
from server.bundle.manifest import Bundle, BundleError
from server.config import ServerConfig
from server.errors import shown
from server.serving.engines.processes import Engines, EngineSeries, Launch, launch_process
from server.serving.metrics import Metrics, watch_lag
from server.serving.models.backlog import Backlog
from server.serving.models.catalogue import Models, ServedModel
from server.serving.models.repository import check_default, read_glossaries, read_repository
from server.serving.requests.admission import Admission
from server.serving.requests.cache import TranslationCache
from server.serving.requests.options import MAX_TERM_CHARACTERS, OptionLimits
from server.serving.requests.parse import RequestLimits
from server.serving.rpc.calls import Calls
from server.serving.rpc.listen import TransportLimits, channel_options
from server.serving.rpc.translation import TranslationService
from server.text.glossary import Glossary
from server.text.sentencepieces import SentencePieceTokenizer
from server.text.tokenizer import Tokenizer

_logger = logging.getLogger("server")

SERVICE = translation_pb2.DESCRIPTOR.services_by_name["TranslationService"].full_name

_OTHER_BYTES = 1_000_000
"""Bytes of a request other than its texts."""

_FLUSH_SECONDS = 0.5
"""Time at shutdown for the last answers to reach the wire, and for calls that were just accepted to begin."""


class App:
    """One serving process: `start`, then `wait`, then `stop`."""

    def __init__(self, config: ServerConfig, launch: Launch = launch_process) -> None:
        """`launch`: how what decodes is started."""
        self._config = config
        self._engines = Engines(self._on_engine_failure, launch)
        self._metrics = Metrics()
        self._health = health.aio.HealthServicer()
        self._stopping = asyncio.Event()
        self._has_failed = False
        self.port = 0
        """Of the gRPC server, once it has started."""
        self.metrics_port = 0
        """Of the metrics over HTTP, likewise."""

    async def start(self) -> None:
        """Load and warm every model, then listen. Raises BundleError, or OSError for an address that is taken."""
        bundles = read_repository(self._config.model_repository)
        check_default(bundles, self._config.default_model)
        await self._engines.start(self._config, bundles)
        try:
            self._models = Models(bundles, self._config.default_model, self._load)
            await self._engines.wait_until_loaded()
            gc.freeze()  # what is loaded stays: the collector need not look through it again and again
            await self._listen()
        except BaseException:
            await self._engines.abandon()
            raise
        await self._set_health(health_pb2.HealthCheckResponse.SERVING)

    async def _listen(self) -> None:
        config = self._config
        limits = RequestLimits(
            config.max_contents,
            config.max_content_characters,
            config.max_waiting,
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
        calls = self._calls = Calls(self._metrics, admission, SERVICE, config.max_call_seconds)
        translation_pb2_grpc.add_TranslationServiceServicer_to_server(
            TranslationService(self._models, limits, self._metrics.request_seconds, cache), calls
        )
        health_pb2_grpc.add_HealthServicer_to_server(self._health, cast(grpc.Server, calls))
        described = ReflectionServicer((SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME))
        reflection_pb2_grpc.add_ServerReflectionServicer_to_server(described, calls)
        transport = TransportLimits(_largest_request(limits), config.max_streams, config.max_connection_age_seconds)
        self._server = grpc.aio.server(handlers=[calls], options=channel_options(transport))
        try:
            self.port = self._server.add_insecure_port(config.listen)
        except RuntimeError as error:
            raise OSError(f"listen: cannot listen on {config.listen}: {error}") from error
        self._lag = asyncio.create_task(watch_lag(self._metrics.event_loop_lag))
        self._metrics.registry.register(EngineSeries(self._engines, asyncio.get_running_loop()))
        self._metrics_server = self._serve_metrics()
        await self._server.start()

    async def wait(self) -> None:
        """Until `request_stop`, or a broken decode loop."""
        await self._stopping.wait()

    def request_stop(self) -> None:
        self._stopping.set()

    async def stop(self) -> bool:
        """Drain: no new request, running ones get the grace to end. Returns whether all was well."""
        await self._set_health(health_pb2.HealthCheckResponse.NOT_SERVING)
        stopped = asyncio.ensure_future(self._server.stop(self._config.grace_seconds))
        idle = asyncio.ensure_future(self._calls.wait_until_idle(_FLUSH_SECONDS))
        await asyncio.wait({stopped, idle}, return_when=asyncio.FIRST_COMPLETED)
        idle.cancel()
        await self._server.stop(None)  # who only watches the health, or reflects, is not waited for
        await stopped
        self._has_failed |= not await self._engines.close()
        self._lag.cancel()
        if self._metrics_server:
            await asyncio.to_thread(self._metrics_server.shutdown)
            self._metrics_server.server_close()
        return not self._has_failed

    def _load(self, bundle: Bundle) -> ServedModel:
        """All but the engine, which is loaded meanwhile."""
        manifest = bundle.manifest
        tokenizer = _open_tokenizer(bundle)
        glossaries = read_glossaries(bundle)
        _check_glossaries(glossaries, tokenizer, bundle)
        backlog = Backlog(self._config.max_delay_milliseconds / 1000)
        return ServedModel(manifest, tokenizer, self._engines[manifest.name], backlog, glossaries)

    def _on_engine_failure(self) -> None:
        self._has_failed = True
        self._stopping.set()

    async def _set_health(self, status: int) -> None:
        for service in ("", SERVICE):
            await self._health.set(service, status)

    def _serve_metrics(self) -> WSGIServer | None:
        if not self._config.metrics_listen:
            return None
        host, _, port = self._config.metrics_listen.rpartition(":")
        try:
            server, _ = start_http_server(int(port), host.strip("[]"), self._metrics.registry)
        except (OSError, ValueError) as error:
            address = self._config.metrics_listen
            raise OSError(f"metrics_listen: cannot listen on {address}: {error}") from error
        self.metrics_port = server.server_port
        return server


def _largest_request(limits: RequestLimits) -> int:
    """Bytes of the largest request that the limits allow, so that it is they that refuse one, by name."""
    options = limits.options
    # Of contents, and of translations of them that are to be scored.
    num_characters = 2 * limits.max_contents * limits.max_content_characters
    num_characters += (options.max_forbidden_phrases + 2 * options.max_glossary_entries) * MAX_TERM_CHARACTERS
    return 4 * num_characters + _OTHER_BYTES  # a character has at most 4 bytes in UTF-8


def _open_tokenizer(bundle: Bundle) -> Tokenizer:
    """Raises BundleError for one that cannot be read, or is not this model's."""
    try:
        tokenizer = SentencePieceTokenizer(bundle.tokenizer, bundle.manifest.special_ids.eos)
    except (OSError, RuntimeError) as error:
        raise BundleError(f"{bundle.tokenizer}: {error}") from error
    if tokenizer.vocabulary_size != bundle.manifest.vocabulary_size:
        raise BundleError(
            f"{bundle.tokenizer}: {tokenizer.vocabulary_size} pieces, "
            f"the manifest's vocabulary_size is {bundle.manifest.vocabulary_size}"
        )
    return tokenizer


def _check_glossaries(glossaries: Mapping[str, Glossary], tokenizer: Tokenizer, bundle: Bundle) -> None:
    """Raises BundleError for a term that the model cannot read or write."""
    for name, glossary in glossaries.items():
        for term in itertools.chain.from_iterable(glossary.entries):
            if len(term) > MAX_TERM_CHARACTERS or not tokenizer.has_pieces_for(term):
                where = f"glossary {name} of {bundle.manifest.name}"
                expected = f"terms that the model has pieces for, of at most {MAX_TERM_CHARACTERS} characters"
                raise BundleError(f"{where}: {expected} expected, got {shown(term)}")


async def serve(config: ServerConfig) -> int:
    """Serve until SIGTERM or Ctrl-C. Returns the process's exit code."""
    app = App(config)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, app.request_stop)
    try:
        await app.start()
    except (BundleError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    address = f"{config.listen.rpartition(':')[0]}:{app.port}"
    print(f"serving on {address}; translate a sentence with:", flush=True)
    python = shlex.quote(sys.executable)
    print(f'  {python} -m seq2serve --server {address} "Two young men are playing guitar in the park."', flush=True)
    await app.wait()
    _logger.info("draining, for at most %s s", config.grace_seconds)
    return 0 if await app.stop() else 1
