"""The process that decodes: every model's engine, and nothing of gRPC, so that neither waits for the other's
interpreter lock.

`python -m server.decoding_process FD`, started by `engines.py`, which has the other end of that socket. It lives as
long as the socket does: who started it has to end first, or to say so.
"""

import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable

from server.backend import Backend, BackendOptions
from server.bundle import Bundle, BundleError
from server.engine import Engine
from server.errors import NotServing, QueueFull
from server.messages import Cancel, Close, Collect, Collected, Load, Loaded, Submit, Told, Unframed, framed
from server.metrics import DecodingMetrics
from server.scheduler import Limits
from server.sentence import Event, Failed, Written

_RECEIVED_AT_ONCE = 1 << 18
"""Bytes."""

OpenBackend = Callable[[Bundle, BackendOptions], Backend]


class DecodingProcess:
    """One thread reads the messages; each engine has one of its own, which sends what it has to tell."""

    def __init__(self, connection: socket.socket, open_backend: OpenBackend = Backend) -> None:
        self._connection = connection
        self._open_backend = open_backend
        self._metrics = DecodingMetrics()
        self._engines: dict[str, Engine] = {}
        self._lock = threading.Lock()
        """Of the sending side, and of `_open`."""
        self._open: dict[int, tuple[Engine, int]] = {}
        """Sentences that have not ended: where they are, and their ids there."""

    def run(self) -> bool:
        """Until it is told to close, or the socket ends. Returns whether it was told."""
        unframed = Unframed()
        while received := self._connection.recv(_RECEIVED_AT_ONCE):
            for message in unframed.feed(received):
                if isinstance(message, Close):
                    for engine in self._engines.values():
                        engine.close()
                    return True
                self._handle(message)
        return False

    def _handle(self, message: Load | Submit | Cancel | Collect) -> None:
        if isinstance(message, Submit):
            self._submit(message)
        elif isinstance(message, Cancel):
            self._cancel(message)
        elif isinstance(message, Collect):
            self._send(Collected(list(self._metrics.registry.collect())))
        else:
            self._send(self._load(message))

    def _submit(self, message: Submit) -> None:
        engine, sentences = self._engines[message.model], message.sentences
        with self._lock:  # so that none is told of before it is known
            try:
                ids = engine.submit(sentences)
            except (QueueFull, NotServing) as error:
                refused: list[tuple[int, Event]] = [(sentence.listener, Failed(error)) for sentence in sentences]
                self._connection.sendall(framed(Told(refused)))
                return
            for sentence, id_ in zip(sentences, ids, strict=True):
                self._open[sentence.listener] = engine, id_

    def _cancel(self, message: Cancel) -> None:
        with self._lock:
            found = [self._open.pop(number) for number in message.numbers if number in self._open]
        for engine, id_ in found:
            engine.cancel([id_])

    def _load(self, message: Load) -> Loaded:
        try:
            for bundle in message.bundles:
                self._engines[bundle.manifest.name] = self._open_engine(message, bundle)
        except BundleError as error:
            return Loaded(str(error))
        for engine in self._engines.values():
            engine.start()
        return Loaded()

    def _open_engine(self, message: Load, bundle: Bundle) -> Engine:
        config, manifest = message.config, bundle.manifest
        backend = self._open_backend(bundle, BackendOptions(config.max_rows, config.threads))
        backend.warm_up([manifest.special_ids.eos])
        return Engine(
            manifest,
            backend,
            Limits(config.max_rows, config.max_joining_tokens),
            config.max_waiting,
            self._tell,
            self._metrics.engine(manifest.name),
            on_failure=self._hang_up,
        )

    def _tell(self, events: list[tuple[int, Event]]) -> None:
        """From an engine's thread, once a step."""
        with self._lock:
            for number, event in events:
                if not isinstance(event, Written):
                    self._open.pop(number, None)
            self._connection.sendall(framed(Told(events)))

    def _send(self, message: Loaded | Collected) -> None:
        with self._lock:
            self._connection.sendall(framed(message))

    def _hang_up(self) -> None:
        """Both ends learn of it behind what was sent before."""
        self._connection.shutdown(socket.SHUT_RDWR)


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the serving process drains first, whoever is signalled with it
    was_told = False
    try:
        with socket.socket(fileno=int(sys.argv[1])) as connection:
            was_told = DecodingProcess(connection).run()
    except ConnectionError:  # who started it is gone
        pass
    finally:
        # Without waiting for engines: nobody is there who could be told.
        logging.shutdown()
        os._exit(0 if was_told else 1)


if __name__ == "__main__":
    main()
