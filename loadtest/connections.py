"""Flags that say how a server is reached, for `python -m loadtest` and for Locust alike."""

import argparse
from pathlib import Path
from typing import Any

from seq2serve.channel import Connection, connection_to


def add_connection_arguments(parser: argparse._ActionsContainer) -> None:
    """To a parser, or to a group of its arguments."""
    parser.add_argument("--tls", action="store_true", help="encrypt the connections")
    parser.add_argument(
        "--ca", default="", metavar="FILE", help="PEM certificates of the authorities to trust; implies --tls"
    )
    parser.add_argument("--server-name", default="", help="name in the server's certificate, if it is not the host")
    parser.add_argument(
        "--api-key-file",
        default="",
        metavar="FILE",
        help="file with the key that every call carries, as a bearer token",
    )


def connection_options(address: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Keyword arguments of `connection_to`, as JSON can hold them. Raises ValueError for a file that cannot be read."""
    options: dict[str, Any] = {"address": address}
    if arguments.tls or arguments.ca:
        options["tls"] = _read(arguments.ca, "--ca") if arguments.ca else True
    if arguments.server_name:
        options["server_name"] = arguments.server_name
    if arguments.api_key_file:
        options["api_key"] = _read(arguments.api_key_file, "--api-key-file").strip()
    return options


def connect(options: dict[str, Any]) -> Connection:
    """How a server is reached, for calls that are never tried again: each attempt would be a call that nobody counts.
    Raises ValueError."""
    tls = options.get("tls", False)
    return connection_to(**(options | {"retries": False, "tls": tls.encode() if isinstance(tls, str) else tls}))


def _read(file: str, flag: str) -> str:
    try:
        return Path(file).read_text(encoding="utf-8")
    except OSError as error:
        raise ValueError(f"{flag}: {file}: {error.strerror}") from error
