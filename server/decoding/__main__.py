"""The process that decodes: every model's engine, and nothing of gRPC, so that neither waits for the other's
interpreter lock.

`python -m server.decoding FD ...`, started by the serving process, which has the other ends of these sockets, one for
each engine. An engine lives as long as its socket does: who started it has to end first, or to say so.
"""

import logging
import os
import socket
import sys

from server.decoding.connection import decode


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    is_well = decode([socket.socket(fileno=int(number)) for number in sys.argv[1:]])
    os._exit(0 if is_well else 1)  # what is left is to free memory, which takes the system no time


if __name__ == "__main__":
    main()
