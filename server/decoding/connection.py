"""One engine at the end of its socket: what the serving process says, and what the engine tells it."""

import gc
import logging
import socket
from collections.abc import Callable

from server.bundle.manifest import Bundle, BundleError
from server.decoding.engine import Engine
from server.decoding.graphs.backend import Backend, BackendOptions
from server.decoding.metrics import EngineMetrics
from server.decoding.scheduler import Limits
from server.errors import SentenceFailed, TranslationError
from server.messages.frames import (
    Cancel,
    Close,
    Collect,
    Collected,
    Load,
    Loaded,
    Look,
    Ping,
    Pong,
    Seen,
    Submit,
    ToEngine,
    Told,
    Unframed,
    framed,
    framed_events,
)
from server.messages.sentence import Event, Failed, Written
from server.text.bundle_tokenizers import open_tokenizer
from server.text.pieces import Pieces

_logger = logging.getLogger(__name__)

_RECEIVED_AT_ONCE = 1 << 18
"""Bytes that are received by one system call, at most."""

OpenBackend = Callable[[Bundle, BackendOptions], Backend]


class EngineConnection:
    """One engine at the end of its socket. Everything is done by one thread: between two steps the engine looks for
    messages, so that a message need not wake another thread while the engine decodes."""

    def __init__(self, connection: socket.socket, open_backend: OpenBackend = Backend) -> None:
        self._connection = connection
        self._open_backend = open_backend
        self._unframed = Unframed()
        self._ids: dict[int, int] = {}
        """The engine's ids of sentences that have not ended, by the numbers that the serving process has for them."""
        self._was_told_to_close = False

    def serve(self) -> bool:
        """Load the model of the first message, and decode until the socket ends, or a message says to end. Returns
        whether a message said so, and the decode loop has not broken."""
        messages = self._receive_first()
        if not messages or not isinstance(messages[0], Load):
            return False
        try:
            self._engine = self._load(messages[0])
        except BundleError as error:
            self._connection.sendall(framed(Loaded(str(error))))
            return False
        gc.freeze()  # what is loaded stays: the collector need not look through it again and again
        self._connection.sendall(framed(Loaded()))
        for message in messages[1:]:
            self._handle(message)
        return self._engine.run() and self._was_told_to_close

    def _receive_first(self) -> list[ToEngine]:
        """Wait for messages, and return the first ones; none where the socket has ended."""
        while received := self._connection.recv(_RECEIVED_AT_ONCE):
            messages = self._unframed.feed(received)
            if messages:
                return messages
        return []

    def _load(self, load: Load) -> Engine:
        """Open an engine for a model. Raises BundleError."""
        config, manifest = load.config, load.bundle.manifest
        pieces = Pieces(open_tokenizer(load.bundle, "target").texts)
        backend = self._open_backend(load.bundle, BackendOptions(config.max_rows, config.threads))
        backend.warm_up([manifest.special_ids.pad])
        return Engine(
            manifest,
            backend,
            pieces,
            Limits(config.max_rows, config.max_joining_tokens),
            self._tell,
            EngineMetrics(manifest.name),
            fetch=self._fetch,
        )

    def _fetch(self, wait: bool) -> None:
        """Handle the messages that have come; `wait` until there is one."""
        try:
            received = self._connection.recv(_RECEIVED_AT_ONCE, 0 if wait else socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except ConnectionError:
            received = b""
        if not received:
            self._give_up()
        for message in self._unframed.feed(received):
            self._handle(message)

    def _handle(self, message: ToEngine) -> None:
        if isinstance(message, Submit):
            self._submit(message)
        elif isinstance(message, Cancel):
            self._engine.cancel([self._ids.pop(number) for number in message.numbers if number in self._ids])
        elif isinstance(message, Collect):
            self._send(framed(Collected(self._engine.collect())))
        elif isinstance(message, Ping):
            self._send(framed(Pong()))
        elif isinstance(message, Look):
            self._send(framed(Seen(self._engine.look())))
        elif isinstance(message, Close):
            self._was_told_to_close = True
            self._engine.begin_closing()

    def _submit(self, message: Submit) -> None:
        try:
            ids = self._engine.submit(message.sentences)
        except TranslationError as error:
            self._refuse(message, error)
        except Exception:
            _logger.exception("%d sentences could not be submitted", len(message.sentences))
            self._refuse(message, SentenceFailed())
        else:
            self._ids.update((sentence.listener, id_) for sentence, id_ in zip(message.sentences, ids, strict=True))

    def _refuse(self, message: Submit, error: TranslationError) -> None:
        refused: list[tuple[int, Event]] = [(sentence.listener, Failed(error)) for sentence in message.sentences]
        self._send(framed(Told(refused)))

    def _tell(self, events: list[tuple[int, Event]]) -> None:
        for number, event in events:
            if not isinstance(event, Written):
                self._ids.pop(number, None)
        for message in framed_events(events):
            self._send(message)

    def _send(self, message: bytes) -> None:
        """A message, framed."""
        try:
            self._connection.sendall(message)
        except ConnectionError:
            self._give_up()

    def _give_up(self) -> None:
        """End the engine, as nobody is at the other end of the socket any more."""
        self._engine.cancel(list(self._ids.values()))
        self._engine.begin_closing()


def decode(connection: socket.socket, open_backend: OpenBackend = Backend) -> bool:
    """Run the engine at the end of the connection until it ends. Returns whether it was told to end."""
    with connection:
        try:
            return EngineConnection(connection, open_backend).serve()
        except ConnectionError:  # whoever started this is gone
            return False
