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
    FromEngine,
    Load,
    Loaded,
    Ping,
    Pong,
    Submit,
    ToEngine,
    Told,
    Unframed,
    framed,
)
from server.messages.sentence import Event, Failed, Written
from server.text.pieces import Pieces
from server.text.sentencepieces import SentencePieceTokenizer

_logger = logging.getLogger(__name__)

_RECEIVED_AT_ONCE = 1 << 18
"""Bytes."""

OpenBackend = Callable[[Bundle, BackendOptions], Backend]


class EngineConnection:
    """One engine at the end of its socket. All of it is one thread's: between two steps the engine looks for messages,
    so that none of them has to wake anybody while it decodes."""

    def __init__(self, connection: socket.socket, open_backend: OpenBackend = Backend) -> None:
        self._connection = connection
        self._open_backend = open_backend
        self._unframed = Unframed()
        self._ids: dict[int, int] = {}
        """Of the engine, by the numbers of the sentences that have not ended."""
        self._was_told_to_close = False

    def serve(self) -> bool:
        """Load what the first message says, and decode until the socket ends, or a message says so. Returns whether one
        did."""
        messages = self._first_messages()
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

    def _first_messages(self) -> list[ToEngine]:
        """At least one; none where the socket has ended."""
        while received := self._connection.recv(_RECEIVED_AT_ONCE):
            messages = self._unframed.feed(received)
            if messages:
                return messages
        return []

    def _load(self, load: Load) -> Engine:
        config, manifest = load.config, load.bundle.manifest
        try:
            pieces = Pieces(SentencePieceTokenizer(load.bundle.tokenizer, manifest.special_ids.eos).texts)
        except (OSError, RuntimeError) as error:
            raise BundleError(f"{load.bundle.tokenizer}: {error}") from error
        backend = self._open_backend(load.bundle, BackendOptions(config.max_rows, config.threads))
        backend.warm_up([manifest.special_ids.eos])
        return Engine(
            manifest,
            backend,
            pieces,
            Limits(config.max_rows, config.max_joining_tokens),
            config.max_waiting,
            self._tell,
            EngineMetrics(manifest.name),
            fetch=self._fetch,
        )

    def _fetch(self, wait: bool) -> None:
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
            self._send(Collected(self._engine.collect()))
        elif isinstance(message, Ping):
            self._send(Pong())
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
        self._send(Told(refused))

    def _tell(self, events: list[tuple[int, Event]]) -> None:
        for number, event in events:
            if not isinstance(event, Written):
                self._ids.pop(number, None)
        self._send(Told(events))

    def _send(self, message: FromEngine) -> None:
        try:
            self._connection.sendall(framed(message))
        except ConnectionError:
            self._give_up()

    def _give_up(self) -> None:
        """Nobody is at the other end any more."""
        self._engine.cancel(list(self._ids.values()))
        self._engine.begin_closing()


def decode(connection: socket.socket, open_backend: OpenBackend = Backend) -> bool:
    """Run the engine at the end of the connection until it ends. Returns whether it was told to end."""
    with connection:
        try:
            return EngineConnection(connection, open_backend).serve()
        except ConnectionError:  # whoever started this is gone
            return False
