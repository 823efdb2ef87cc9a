"""Wiring: settings to models, engines and a gRPC server; start, serve, drain."""

import asyncio
import gc
import itertools
import logging
import shlex
import signal
import sys
from collections.abc import Mapping
from wsgiref.simple_server import WSGIServer

import grpc
from grpc_health.v1 import health, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from prometheus_client import start_http_server

from seq2serve.pb import translation_pb2, translation_pb2_grpc
from server.bundle.manifest import Bundle, BundleError
from server.config import ServerConfig
from server.errors import shown
from server.serving.engines.keeper import Timing
from server.serving.engines.launch import Launch, launch_process
from server.serving.engines.processes import Engines, EngineSeries
from server.serving.metrics import Metrics
from server.serving.models.catalogue import Models, ServedModel
from server.serving.models.repository import check_default, check_engines, read_glossaries, read_repository
from server.serving.requests.cache import TranslationCache
from server.serving.requests.options import MAX_TERM_CHARACTERS, OptionLimits
from server.serving.requests.parse import RequestLimits
from server.serving.rpc.calls import RpcInterceptor
from server.serving.rpc.health import Health
from server.serving.rpc.translation import TranslationService
from server.text.glossary import Glossary
from server.text.sentencepieces import SentencePieceTokenizer
from server.text.tokenizer import Tokenizer

_logger = logging.getLogger("server")

SERVICE = translation_pb2.DESCRIPTOR.services_by_name["TranslationService"].full_name

_OTHER_BYTES = 1_000_000
"""Of a request besides its texts."""

_FLUSH_SECONDS = 0.5
"""Time at shutdown for the last answers to reach the wire, and for calls that were just accepted to begin."""


class App:
    """One serving process: `start`, then `wait`, then `stop`."""

    def __init__(self, config: ServerConfig, launch: Launch = launch_process, timing: Timing | None = None) -> None:
        """`launch`: how what decodes is started; `timing`: when an engine counts as lost, where not as usual."""
        self._config = config
        self._engines_changed = asyncio.Event()
        self._engines = Engines(self._engines_changed.set, launch, timing)
        self._metrics = Metrics()
        self._health = Health(SERVICE)
        self._stopping = asyncio.Event()
        self.port = 0
        """Of the gRPC server, once it has started."""
        self.metrics_port = 0
        """Of the metrics over HTTP, likewise."""

    async def start(self) -> None:
        """Load and warm every model, then listen. Raises BundleError, or OSError for an address that is taken."""
        bundles = read_repository(self._config.model_repository)
        check_default(bundles, self._config.default_model)
        check_engines(bundles, self._config.engines_by_model)
        try:
            await self._engines.start(self._config, bundles)
            self._models = Models(bundles, self._config.default_model, self._load)
            await self._engines.wait_until_loaded()
            gc.freeze()  # what is loaded stays: the collector need not look through it again and again
            await self._listen()
        except BaseException:
            await self._engines.abandon()
            raise
        await self._health.tell(self._engines.num_serving)
        self._watching = asyncio.create_task(self._watch_engines())

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
        self._interceptor = RpcInterceptor(self._metrics, SERVICE)
        self._server = grpc.aio.server(interceptors=[self._interceptor], options=_channel_options(limits))
        translation_pb2_grpc.add_TranslationServiceServicer_to_server(
            TranslationService(self._models, limits, self._metrics.request_seconds, cache), self._server
        )
        health_pb2_grpc.add_HealthServicer_to_server(self._health.servicer, self._server)
        reflection.enable_server_reflection((SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME), self._server)
        try:
            self.port = self._server.add_insecure_port(config.listen)
        except RuntimeError as error:
            raise OSError(f"listen: cannot listen on {config.listen}: {error}") from error
        self._metrics.registry.register(EngineSeries(self._engines, asyncio.get_running_loop()))
        self._metrics_server = self._serve_metrics()
        await self._server.start()

    async def wait(self) -> None:
        """Until `request_stop`."""
        await self._stopping.wait()

    def request_stop(self) -> None:
        self._stopping.set()

    async def stop(self) -> bool:
        """Drain: no new request, running ones get the grace to end. Returns whether all was well."""
        self._watching.cancel()
        await self._health.drain()
        stopped = asyncio.ensure_future(self._server.stop(self._config.grace_seconds))
        idle = asyncio.ensure_future(self._interceptor.wait_until_idle(_FLUSH_SECONDS))
        await asyncio.wait({stopped, idle}, return_when=asyncio.FIRST_COMPLETED)
        idle.cancel()
        await self._server.stop(None)  # who only watches the health, or reflects, is not waited for
        await stopped
        is_well = await self._engines.close()
        if self._metrics_server:
            await asyncio.to_thread(self._metrics_server.shutdown)
            self._metrics_server.server_close()
        return is_well

    def _load(self, bundle: Bundle) -> ServedModel:
        """All but the engine, which is loaded meanwhile."""
        manifest = bundle.manifest
        tokenizer = _open_tokenizer(bundle)
        glossaries = read_glossaries(bundle)
        _check_glossaries(glossaries, tokenizer, bundle)
        return ServedModel(manifest, tokenizer, self._engines[manifest.name], glossaries)

    async def _watch_engines(self) -> None:
        """Health is what the engines are; never ends by itself."""
        while True:
            await self._engines_changed.wait()
            self._engines_changed.clear()
            await self._health.tell(self._engines.num_serving)

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


def _channel_options(limits: RequestLimits) -> list[tuple[str, int]]:
    options = limits.options
    # Of contents, and of translations of them that are to be scored.
    num_characters = 2 * limits.max_contents * limits.max_content_characters
    num_characters += (options.max_forbidden_phrases + 2 * options.max_glossary_entries) * MAX_TERM_CHARACTERS
    largest_texts = 4 * num_characters  # bytes, in UTF-8
    return [
        # Else a second server on the same port would start without an error, and take half of the calls.
        ("grpc.so_reuseport", 0),
        # As large as the limits allow, so that it is they that refuse a request, by name. An answer may be longer.
        ("grpc.max_receive_message_length", largest_texts + _OTHER_BYTES),
        ("grpc.max_send_message_length", -1),
        # A client whose machine or network is gone says nothing; its calls would stay open.
        ("grpc.keepalive_time_ms", 60_000),
    ]


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
