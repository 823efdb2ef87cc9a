"""Where a channel to a server is opened, with the settings that both clients share."""

import json
from typing import Any

import grpc

_RETRIES = {
    "maxAttempts": 4,
    "initialBackoff": "0.1s",
    "maxBackoff": "1s",
    "backoffMultiplier": 2,
    "retryableStatusCodes": ["UNAVAILABLE"],
}
"""A server that goes, or a connection that breaks, before anything was answered: the same translation is made by
another server, or by the same one a moment later."""

_SERVICE_CONFIG = {
    "loadBalancingConfig": [{"round_robin": {}}],
    "methodConfig": [{"name": [{"service": "translation.v1.TranslationService"}], "retryPolicy": _RETRIES}],
}

_OPTIONS: list[tuple[str, Any]] = [
    ("grpc.service_config", json.dumps(_SERVICE_CONFIG)),
    ("grpc.max_receive_message_length", -1),  # the server bounds what it answers
    # A connection whose other end has vanished is given up 20 s after something was sent. More than one ping in five
    # minutes is what a gRPC server may take for an attack.
    ("grpc.keepalive_time_ms", 300_000),
    ("grpc.keepalive_timeout_ms", 20_000),
]


def open_channel(address: str) -> grpc.Channel:
    """Nothing is connected before the first call."""
    return grpc.insecure_channel(address, options=_OPTIONS)


def open_async_channel(address: str) -> grpc.aio.Channel:
    """Nothing is connected before the first call."""
    return grpc.aio.insecure_channel(address, options=_OPTIONS)
