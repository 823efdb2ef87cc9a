"""A process that decodes: one engine of one model, and nothing of gRPC.

No engine waits for the interpreter lock of another, nor for that of the serving process.

`python -m server.decoding FD MODEL` is started by the serving process, which has the other end of the socket FD. An
engine lives as long as its socket does: who started it has to end first, or to say so. MODEL is for whoever lists
processes.
"""

import logging
import os
import socket
import sys

from server.decoding.connection import decode


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    was_told_to_end = decode(socket.socket(fileno=int(sys.argv[1])))
    os._exit(0 if was_told_to_end else 1)  # what is left is to free memory, which takes the system no time


if __name__ == "__main__":
    main()
