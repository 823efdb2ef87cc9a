"""Whether a server serves, and waiting until something holds."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import grpc

from seq2serve.addresses import parse_target
from seq2serve.pb import translation_pb2 as pb
from seq2serve.pb import translation_pb2_grpc as pb_grpc
from tests.fakes import PATIENCE


def eventually(holds: Callable[[], Any], otherwise: str) -> None:
    give_up = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < give_up, otherwise
        time.sleep(0.01)


@contextmanager
def channel_to(address: str) -> Iterator[grpc.Channel]:
    """On a connection of its own."""
    target = parse_target("address", address)
    options = [*target.channel_options, ("grpc.use_local_subchannel_pool", 1)]
    with grpc.insecure_channel(target.target, options) as channel:
        yield channel


def serves(address: str) -> bool:
    with channel_to(address) as channel:
        try:
            pb_grpc.TranslationServiceStub(channel).ListModels(pb.ListModelsRequest(), timeout=PATIENCE)
        except grpc.RpcError:
            return False
        return True
