"""The limits of the transport: what gRPC and HTTP/2 bound before a call begins."""

from dataclasses import dataclass

_MANY = 1_000_000
"""More calls than the limits of the connections let in."""

METADATA_BYTES = 16_384
"""Metadata that a call may have. gRPC by itself refuses twice as much, and some, by chance, from four fifths of that
on."""

_HANDSHAKE_MILLISECONDS = 10_000
"""Time that a new connection may take until it speaks HTTP/2."""

_AGE_GRACE_MILLISECONDS = 300_000
"""Time that the calls of a connection have to end, once it has reached its greatest age."""

_KEEPALIVE_MILLISECONDS = 60_000
"""Time without a word from a client after which the server pings it."""

LEAST_PING_MILLISECONDS = 1_000
"""Time between two pings of a client; a client that sends them faster is told to calm down, and its connection is
closed. Clients of several servers, and proxies, ping every other second, to see within seconds that one hangs."""

_UNREQUESTED_SECONDS = 60
"""Time that a call may wait in gRPC for Python to begin it."""


@dataclass(frozen=True)
class TransportLimits:
    max_message_bytes: int
    """Size of a request; gRPC refuses a larger one as soon as it has read how large it is."""
    max_streams: int
    """Calls of one connection at a time. HTTP/2 refuses further ones, which costs next to nothing; the client sees
    UNAVAILABLE, unless it repeats them."""
    max_connection_age_seconds: int
    """Age at which a connection's client is asked to connect anew, give or take a tenth: it then finds servers that
    have been added since."""


def channel_options(limits: TransportLimits) -> list[tuple[str, int]]:
    """The options of the gRPC server, by the names that gRPC Core has for them."""
    return [
        # Else a second server on the same port would start without an error, and take half of the calls.
        ("grpc.so_reuseport", 0),
        ("grpc.max_receive_message_length", limits.max_message_bytes),
        ("grpc.max_concurrent_streams", limits.max_streams),
        # From the first of these on, gRPC ends calls that Python has not begun, with CANCELLED and by chance; they are
        # refused by Python, with a reason, so the connections' limits bound how many there can be.
        ("grpc.server.max_pending_requests", _MANY),
        ("grpc.server.max_pending_requests_hard_limit", _MANY),
        ("grpc.server_max_unrequested_time_in_server", _UNREQUESTED_SECONDS),
        # Else the window of every stream grows with the speed of the network, to megabytes that nobody has asked for.
        ("grpc.http2.bdp_probe", 0),
        ("grpc.absolute_max_metadata_size", 2 * METADATA_BYTES),
        ("grpc.server_handshake_timeout_ms", _HANDSHAKE_MILLISECONDS),
        ("grpc.max_connection_age_ms", 1000 * limits.max_connection_age_seconds),
        ("grpc.max_connection_age_grace_ms", _AGE_GRACE_MILLISECONDS),
        # A client whose machine or network is gone says nothing; its calls would stay open.
        ("grpc.keepalive_time_ms", _KEEPALIVE_MILLISECONDS),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", LEAST_PING_MILLISECONDS),
    ]
