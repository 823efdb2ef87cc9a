"""The gateway's settings: each a flag, and an environment variable of the same name behind SEQ2SERVE_GATEWAY_."""

import argparse
import dataclasses
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from log_format import FORMATS, TEXT
from seq2serve.addresses import parse_address
from seq2serve.channel import ConnectionOptions
from seq2serve.connection_flags import add_connection_arguments, read_connection
from seq2serve.requests import DEFAULT_ADDRESS

_PREFIX = "SEQ2SERVE_GATEWAY_"

_SWITCHES = {"true": True, "1": True, "false": False, "0": False}
"""What a setting that is on or off is given as; its flag alone means that it is on."""

_CONNECTION_FLAGS = ("authorities", "client_certificate", "client_key", "server_name", "api_key_file")
"""Those of seq2serve.connection_flags that take a text; `tls` is a switch."""


def _setting(default: Any, text: str) -> Any:
    return dataclasses.field(default=default, metadata={"help": text})


@dataclass(frozen=True, kw_only=True)
class Settings:
    server: str = _setting(DEFAULT_ADDRESS, "the server's address, or several with commas between")
    listen: str = _setting(
        "127.0.0.1:5000", "host:port, [IPv6]:port, :port or unix:path for HTTP; port 0 is a free one"
    )
    metrics_listen: str = _setting("127.0.0.1:9465", "the same for Prometheus, without unix; empty for none")
    timeout_seconds: int = _setting(60, "time for a request that brings no deadline")
    max_body_kilobytes: int = _setting(4096, "size of a request's body")
    max_requests: int = _setting(512, "requests that are being answered at a time; more are refused")
    max_file_kilobytes: int = _setting(65536, "size of the translated files that are kept for download")
    glossaries: str = _setting("", "folder of the glossaries that callers make; empty: they are gone at the end")
    cors_origins: str = _setting("", "origins whose pages may call, with commas between; * for all; empty for none")
    plain_text_keys: bool = _setting(False, "send callers' keys to a server on another machine without TLS as well")
    tls_certificate: str = _setting("", "PEM file of the gateway's certificate chain; empty: HTTP is in plain")
    tls_key: str = _setting("", "PEM file of the certificate's private key, without a password")
    insecure_listen: bool = _setting(False, "listen for other machines without TLS as well")
    grace_seconds: int = _setting(10, "time that running requests get to end at shutdown")
    log_format: str = _setting(TEXT, "text, or json: an object a line")

    def __post_init__(self) -> None:
        """Raises ValueError naming the setting, the limit and the value."""
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if type(value) is int and value < 1:
                raise ValueError(f"{field.name}: at least 1 expected, got {value}")
        if self.log_format not in FORMATS:
            raise ValueError(f"log_format: {' or '.join(FORMATS)} expected, got {self.log_format!r}")
        if bool(self.tls_certificate) != bool(self.tls_key):
            raise ValueError("tls_certificate and tls_key: both expected, or neither")
        for origin in self.allowed_origins:
            if origin != "*" and not origin.startswith(("http://", "https://")):
                raise ValueError(f"cors_origins: * or origins such as https://example.org expected, got {origin!r}")
        is_private = parse_address("listen", self.listen).is_local or self.tls_certificate
        if not is_private and not self.insecure_listen:
            raise ValueError(
                f"listen: {self.listen} can be reached from other machines: tls_certificate and tls_key expected, or "
                "insecure_listen where something else encrypts"
            )
        if self.metrics_listen and parse_address("metrics_listen", self.metrics_listen).path:
            raise ValueError(f"metrics_listen: host:port expected, got {self.metrics_listen!r}")

    @property
    def allowed_origins(self) -> list[str]:
        """Of other sites, which a browser lets call."""
        return [origin.strip().rstrip("/") for origin in self.cors_origins.split(",") if origin.strip()]

    @property
    def max_body_bytes(self) -> int:
        return self.max_body_kilobytes * 1024


VARIABLES = frozenset(
    _PREFIX + name.upper()
    for name in (*(field.name for field in dataclasses.fields(Settings)), "tls", *_CONNECTION_FLAGS)
)
"""The environment variables that are settings."""


def parse_settings(
    arguments: Sequence[str] | None = None, environment: Mapping[str, str] = os.environ
) -> tuple[Settings, ConnectionOptions]:
    """The settings, and how the server is reached. A flag wins over an environment variable, which wins over the
    default. Exits with a message for a bad value."""
    parser = argparse.ArgumentParser(
        prog="python -m gateway", description="HTTP in front of a seq2serve server.", allow_abbrev=False
    )
    for field in dataclasses.fields(Settings):
        variable = _PREFIX + field.name.upper()
        kind: dict[str, Any] = {
            "type": type(field.default),
            "default": environment.get(variable, field.default),  # argparse converts a text as it does a flag's
        }
        if isinstance(field.default, bool):
            kind |= {"type": _switch, "nargs": "?", "const": True}
        parser.add_argument(
            "--" + field.name.replace("_", "-"),
            metavar=field.name.rpartition("_")[2].upper(),
            help=f"{field.metadata['help']} ({variable}; default: {field.default})",
            **kind,
        )
    add_connection_arguments(parser)
    try:
        parser.set_defaults(**_connection_defaults(environment))
    except argparse.ArgumentTypeError as error:
        parser.error(f"{_PREFIX}TLS: {error}")
    given = parser.parse_args(arguments)
    try:
        settings = Settings(**{field.name: getattr(given, field.name) for field in dataclasses.fields(Settings)})
        connection = read_connection(given)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    if settings.plain_text_keys:
        connection["allow_plain_text_key"] = True
    return settings, connection


def _connection_defaults(environment: Mapping[str, str]) -> dict[str, Any]:
    """What the environment says in place of the flags for TLS and the gateway's own key."""
    given: dict[str, Any] = {
        name: environment[_PREFIX + name.upper()]
        for name in _CONNECTION_FLAGS
        if environment.get(_PREFIX + name.upper())
    }
    if tls := environment.get(_PREFIX + "TLS"):
        given["tls"] = _switch(tls)
    return given


def _switch(text: str) -> bool:
    if text.lower() not in _SWITCHES:
        raise argparse.ArgumentTypeError(f"true or false expected, got {text!r}")
    return _SWITCHES[text.lower()]
