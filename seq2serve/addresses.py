"""Addresses as they are written in settings and on command lines: one parser, for whoever listens and whoever calls.

This module knows the forms and what gRPC has to be told for each; it opens no socket and resolves no name.
"""

import ipaddress
import re
from dataclasses import dataclass, replace
from urllib.parse import quote

_LARGEST_PORT = 65535
_LONGEST_PATH = 107
"""Bytes of a Unix socket's path, as Linux takes them."""
_MOST_SHOWN = 100
"""Characters of a wrong address in a message."""

_LABEL = "[A-Za-z0-9_-]{1,63}"
_TCP = re.compile(
    rf"(?:\[(?P<ipv6>[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(?:%[A-Za-z0-9._-]+)?)\]|(?P<name>(?:{_LABEL}(?:\.{_LABEL})*\.?)?))"
    r":(?P<port>[0-9]{1,5})"
)

ChannelOption = tuple[str, int]


@dataclass(frozen=True)
class Address:
    """A TCP port, or a Unix socket where `path` is given. `str` writes it as `parse_address` reads it."""

    host: str = ""
    """Name or number, an IPv6 address without its brackets; empty for every interface of this machine."""
    port: int = 0
    """0 to listen on one that is free."""
    path: str = ""

    def __str__(self) -> str:
        if self.path:
            return f"unix:{self.path}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def reachable(self) -> "Address":
        """Where a caller on this machine reaches what listens on the address: loopback in place of every interface."""
        number = _ip(self.host)
        if self.path or (self.host and not (number and number.is_unspecified)):
            return self
        return replace(self, host="::1" if number and number.version == 6 else "127.0.0.1")

    @property
    def target(self) -> str:
        """What a gRPC channel is opened to."""
        if self.path:
            return f"unix:{quote(self.path)}"
        return f"dns:///{quote(str(self), safe='[]:')}"  # with a scheme, for a host may be named as one

    @property
    def number(self) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
        """The host's number; None where it is a name, or no host at all."""
        return _ip(self.host)

    @property
    def is_local(self) -> bool:
        """Whether what is sent to the address never leaves this machine: loopback, or a Unix socket."""
        number = self.number
        is_loopback = number.is_loopback if number else self.host.lower().rstrip(".").split(".")[-1] == "localhost"
        return bool(self.path) or is_loopback

    @property
    def channel_options(self) -> list[ChannelOption]:
        """Options of a gRPC channel to the address: nothing on this machine is asked for through a proxy."""
        return [("grpc.enable_http_proxy", 0)] if self.is_local else []


def parse_address(setting: str, text: str, least_port: int = 0) -> Address:
    """The address to listen on that `text` says. Raises ValueError with one line, which names the setting and what is
    expected."""
    if text.startswith("unix:"):
        return _parse_unix(setting, text)
    match = _TCP.fullmatch(text)
    if not match or (match["ipv6"] and not _ip(match["ipv6"])) or not least_port <= int(match["port"]) <= _LARGEST_PORT:
        ports = f"with a port from {least_port} to {_LARGEST_PORT}"
        raise ValueError(
            f"{setting}: host:port, [IPv6 address]:port, :port or unix:path expected, {ports}, got {_shown(text)}"
        )
    return Address(match["ipv6"] or match["name"], int(match["port"]))


def parse_target(setting: str, text: str) -> Address:
    """The address to call that `text` says: `:port` is one of this machine, and port 0 is none. Raises ValueError as
    `parse_address` does."""
    return parse_address(setting, text, least_port=1).reachable


def _parse_unix(setting: str, text: str) -> Address:
    path = text.removeprefix("unix:")
    if path.startswith("///"):  # unix:///path, which gRPC's users know
        path = path[2:]
    # In this order: half of a surrogate pair is not printable, and has no bytes.
    if not path or path.startswith("//") or not path.isprintable() or len(path.encode()) > _LONGEST_PATH:
        raise ValueError(f"{setting}: unix:path expected, of 1 to {_LONGEST_PATH} bytes, got {_shown(text)}")
    return Address(path=path)


def _ip(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The number that a host is; none where it is a name."""
    try:
        number = ipaddress.ip_address(host)
    except ValueError:
        return None
    return (number.version == 6 and number.ipv4_mapped) or number


def _shown(text: str) -> str:
    return repr(text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}…")
