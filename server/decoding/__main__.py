"""A process that decodes: one engine of one model, and nothing of gRPC.

No engine waits for the interpreter lock of another, nor for that of the serving process.

`python -m server.decoding FD MODEL` is started by the serving process, which has the other end of the socket FD. An
engine lives as long as its socket does: who started it has to end first, or to say so. MODEL is for whoever lists
processes.
"""

import os
import socket
import sys

from log_format import TEXT, configure_logging
from server.bundle.manifest import Bundle, BundleError, read_manifest
from server.config import LOG_FORMAT_VARIABLE
from server.decoding.connection import decode
from server.decoding.graphs.backend import Backend, BackendOptions


def open_unchanged(bundle: Bundle, options: BackendOptions) -> Backend:
    """Open the graphs of a bundle that is still what the serving process has read: another one may have been given its
    folder since, or be given it now, and an engine that is started again would translate with it. Raises
    BundleError."""
    _check_unchanged(bundle)
    backend = Backend(bundle, options)
    _check_unchanged(bundle)
    return backend


def _check_unchanged(bundle: Bundle) -> None:
    if read_manifest(bundle.folder).digest != bundle.manifest.digest:
        raise BundleError(f"{bundle.folder}: another bundle lies there now; reload the models")


def main() -> None:
    configure_logging(os.environ.get(LOG_FORMAT_VARIABLE, TEXT))
    was_told_to_end = decode(socket.socket(fileno=int(sys.argv[1])), open_unchanged)
    os._exit(0 if was_told_to_end else 1)  # what is left is to free memory, which takes the system no time


if __name__ == "__main__":
    main()
