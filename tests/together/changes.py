"""What is done to a server while clients call it; each change is seen to have its effect."""

import asyncio
import contextlib
import itertools
import os
import random
import signal
import socket
import ssl
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

import grpc

from seq2serve.pb import model_admin_pb2 as admin_pb
from seq2serve.pb import model_admin_pb2_grpc as admin_grpc
from seq2serve.pb import translation_pb2 as pb
from seq2serve.pb import translation_pb2_grpc as pb_grpc
from server.keys.key_file import new_key
from tests.e2e.processes import children
from tests.together.judgement import Chronicle, Span, served_by
from tests.together.site import ADMINISTRATOR, MODEL, POLICIES, ROTATED, STANDING, Site

_PATIENCE = 120.0
"""Seconds in which a change has to have its effect."""

_LOOK_SECONDS = 0.05
VERSIONS = ("1", "2", "3")
"""That lie in the repository."""


class Changes:
    """The changes, one after another, and what became of each."""

    def __init__(self, site: Site, address: str, pid: int) -> None:
        self._site = site
        self._address = address
        self._pid = pid
        self._policy = POLICIES[0]
        self._names = itertools.count(2)
        self.chronicle = Chronicle()
        self.chronicle.serve(served_by(self._policy, VERSIONS), 0.0, 0.0)
        self.done: Counter[str] = Counter()
        """How often each kind of change was made."""
        self.problems: list[str] = []

    async def make_until(self, until: float) -> None:
        """Make every kind of change in turn, until a moment has passed and all have been made, and the first policy is
        in force again."""
        kinds: Mapping[str, Callable[[], Awaitable[None]]] = {
            "policy changed": self.change_policy,
            "engine killed": self.kill_engine,
            "version unloaded and loaded": self.unload_and_load,
            "certificate replaced": self.replace_certificate,
            "key replaced": self.replace_key,
        }
        for number, (kind, make) in enumerate(itertools.cycle(kinds.items())):
            if time.monotonic() >= until and number >= len(kinds) and self._policy is POLICIES[0]:
                return
            try:
                async with asyncio.timeout(_PATIENCE):
                    await make()
            except TimeoutError:
                self.problems.append(f"{kind}: without effect for {_PATIENCE:g} s")
            except (grpc.aio.AioRpcError, AssertionError) as error:
                self.problems.append(f"{kind}: {error}")
            self.done[kind] += 1

    async def change_policy(self) -> None:
        following = POLICIES[(POLICIES.index(self._policy) + 1) % len(POLICIES)]
        self._site.write_policy(following)
        async with self._admin() as admin:
            begins = time.monotonic()
            answer = await admin.ReloadModels(admin_pb.ReloadModelsRequest())
        assert not answer.problems, answer.problems
        self._policy = following
        self.chronicle.serve(served_by(following, VERSIONS), begins, time.monotonic())

    async def unload_and_load(self) -> None:
        """A version without a label, or load and unload it where it is not served."""
        served = served_by(self._policy, VERSIONS)
        version = next(one for one in VERSIONS if one not in self._policy.labels.values())
        without = {name: those for name, those in served.items() if name != version}
        beside = without | {version: frozenset([version])}
        unload = admin_pb.UnloadModelRequest(model=MODEL, version=version)
        load = admin_pb.LoadModelRequest(model=MODEL, version=version)
        async with self._admin() as admin:
            steps = [(admin.UnloadModel, unload, without), (admin.LoadModel, load, beside)]
            for method, request, then in steps if version in served else reversed(steps):
                begins = time.monotonic()
                await method(request)
                self.chronicle.serve(then, begins, time.monotonic())

    async def kill_engine(self) -> None:
        """Any of them; what it decoded is decoded by another one, or refused as UNAVAILABLE."""
        begins = time.monotonic()
        killed = random.choice(children(self._pid))
        os.kill(killed, signal.SIGKILL)
        served = served_by(self._policy, VERSIONS)
        async with self._channel(self._site.secret(STANDING)) as channel:
            stub = pb_grpc.TranslationServiceStub(channel)
            for version in (version for version in VERSIONS if version in served):
                while not await _answers(stub, version) or killed in children(self._pid):
                    await asyncio.sleep(_LOOK_SECONDS)
        self.chronicle.kills.append(Span(begins, time.monotonic()))

    async def replace_certificate(self) -> None:
        """New connections are to see it; that old ones go on is for the clients to say."""
        certificate = self._site.replace_certificate()
        while await asyncio.to_thread(self._shown_certificate) != certificate:
            await asyncio.sleep(_LOOK_SECONDS)

    async def replace_key(self) -> None:
        """As one does without a gap: the new key is accepted beside the old one, clients change, the old one is
        removed. Open streams with the old one are refused as well."""
        old = self._site.secret(ROTATED)
        new_name = f"{ROTATED}-{next(self._names)}"
        secrets = {**self._site.secrets, new_name: new_key()}
        self._site.write_keys(secrets)
        while await self._code_with(secrets[new_name]) != "OK":
            await asyncio.sleep(_LOOK_SECONDS)
        async with self._channel(old) as channel:
            stream = pb_grpc.TranslationServiceStub(channel).TranslateStream()
            assert (await _exchange(stream)).HasField("response")
            self._site.give(ROTATED, secrets[new_name])
            given = time.monotonic()
            self._site.write_keys({name: secret for name, secret in secrets.items() if secret != old})
            while (code := await self._code_with(old)) != "UNAUTHENTICATED":
                assert code == "OK", code
                await asyncio.sleep(_LOOK_SECONDS)
            self.chronicle.rotations.append(Span(given, given))
            answer = await _exchange(stream)
            assert answer.error.code == grpc.StatusCode.UNAUTHENTICATED.value[0], answer
            await stream.done_writing()

    async def _code_with(self, secret: str) -> str:
        async with self._channel(secret) as channel:
            try:
                await pb_grpc.TranslationServiceStub(channel).ListModels(pb.ListModelsRequest(), timeout=_PATIENCE)
            except grpc.aio.AioRpcError as error:
                return error.code().name
        return "OK"

    def _shown_certificate(self) -> bytes:
        host, _, port = self._address.rpartition(":")
        context = ssl.create_default_context(cafile=self._site.roots)
        context.set_alpn_protocols(["h2"])
        with (
            socket.create_connection((host, int(port)), timeout=_PATIENCE) as plain,
            context.wrap_socket(plain, server_hostname=host) as encrypted,
        ):
            return encrypted.getpeercert(binary_form=True) or b""

    @contextlib.asynccontextmanager
    async def _channel(self, secret: str) -> AsyncIterator[grpc.aio.Channel]:
        """A new connection."""
        options = [("grpc.use_local_subchannel_pool", 1)]
        async with grpc.aio.secure_channel(self._address, self._site.credentials(secret), options) as channel:
            yield channel

    @contextlib.asynccontextmanager
    async def _admin(self) -> AsyncIterator[admin_grpc.ModelAdminServiceStub]:
        async with self._channel(self._site.secret(ADMINISTRATOR)) as channel:
            yield admin_grpc.ModelAdminServiceStub(channel)


async def _answers(stub: pb_grpc.TranslationServiceStub, version: str) -> bool:
    request = pb.TranslateRequest(contents=["A dog sleeps."], model=f"{MODEL}@{version}")
    try:
        await stub.Translate(request, timeout=_PATIENCE)
    except grpc.aio.AioRpcError as error:
        if error.code() is not grpc.StatusCode.UNAVAILABLE:
            raise
        return False
    return True


async def _exchange(
    stream: "grpc.aio.StreamStreamCall[pb.TranslateStreamRequest, pb.TranslateStreamResponse]",
) -> pb.TranslateStreamResponse:
    """One request on an open stream, and its answer."""
    request = pb.TranslateRequest(contents=["A dog sleeps."])
    await stream.write(pb.TranslateStreamRequest(id="1", request=request))
    answer = await stream.read()
    assert isinstance(answer, pb.TranslateStreamResponse), answer
    return answer
