"""Where a channel to a server is opened, with the settings that both clients share."""

import json
from typing import Any

import grpc

from seq2serve.addresses import ChannelOption, parse_target

_RETRIES = {
    "maxAttempts": 5,
    "initialBackoff": "0.2s",
    "maxBackoff": "3s",
    "backoffMultiplier": 3,
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
    """Nothing is connected before the first call. Raises ValueError for what is no address."""
    target, options = _target(address)
    return grpc.insecure_channel(target, options=[*_OPTIONS, *options])


def open_async_channel(address: str) -> grpc.aio.Channel:
    """Nothing is connected before the first call. Raises ValueError for what is no address."""
    target, options = _target(address)
    return grpc.aio.insecure_channel(target, options=[*_OPTIONS, *options])


def _target(address: str) -> tuple[str, list[ChannelOption]]:
    """What gRPC is to connect to, and how: one server, or several IPv4 addresses with commas between them."""
    servers = [parse_target("address", one) for one in address.split(",")]
    if len(servers) == 1:
        return servers[0].target, servers[0].channel_options
    return "ipv4:" + ",".join(map(str, servers)), [option for server in servers for option in server.channel_options]
