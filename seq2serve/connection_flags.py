"""The command line's side of `ConnectionOptions`: TLS and a key, from files."""

import argparse
from pathlib import Path

from seq2serve.channel import ConnectionOptions


def add_connection_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("TLS and keys")
    group.add_argument("--tls", action="store_true", help="encrypt; the server's certificate is of a usual authority")
    group.add_argument(
        "--authorities", type=Path, metavar="FILE", help="encrypt; PEM file of the authorities to trust instead"
    )
    group.add_argument("--client-certificate", type=Path, metavar="FILE", help="PEM file to show to the server")
    group.add_argument("--client-key", type=Path, metavar="FILE", help="PEM file of the certificate's private key")
    group.add_argument("--server-name", default="", metavar="NAME", help="in the certificate, if not the host's name")
    group.add_argument("--api-key-file", type=Path, metavar="FILE", help="file of the key to send with every call")


def read_connection(arguments: argparse.Namespace) -> ConnectionOptions:
    """Raises OSError or ValueError."""
    options: ConnectionOptions = {"server_name": arguments.server_name}
    if arguments.authorities:
        options["tls"] = arguments.authorities.read_bytes()
    elif arguments.tls:
        options["tls"] = True
    if arguments.client_certificate:
        options["client_certificate"] = arguments.client_certificate.read_bytes()
    if arguments.client_key:
        options["client_key"] = arguments.client_key.read_bytes()
    if arguments.api_key_file:
        options["api_key"] = arguments.api_key_file.read_text(encoding="utf-8").strip()
        if not options["api_key"]:
            raise ValueError(f"--api-key-file: a key expected, got an empty file, {arguments.api_key_file}")
    return options
