"""A program that calls for callers of its own, as the gateway does: with their keys, and without repeating for them."""

import time
from pathlib import Path

import pytest

from seq2serve import AsyncClient, Overloaded, TranslationError, Unauthenticated
from tests.integration.keyed import KEYS, key, write_keys
from tests.integration.served import serving
from tests.integration.shipped import one_model

DOG = "A dog sleeps."


async def test_each_caller_has_its_own_key_and_all_share_the_connections(tmp_path: Path) -> None:
    keys = write_keys(tmp_path, key("translator"), key("other"))
    async with (
        serving(one_model(tmp_path), keys=keys) as served,
        AsyncClient(served.address, api_key=KEYS["translator"]) as client,
    ):
        for caller in (client, client.on_behalf(KEYS["other"]), client.on_behalf()):
            assert (await caller.translate(DOG)).translated_text
        with pytest.raises(Unauthenticated):
            await client.on_behalf("nobody").translate(DOG)
        assert (await client.translate(DOG)).translated_text


async def test_a_caller_s_metadata_goes_along(tmp_path: Path) -> None:
    async with serving(one_model(tmp_path)) as served, AsyncClient(served.address) as client:
        caller = client.on_behalf(metadata=(("x-request-id", "mine"),))
        with pytest.raises(TranslationError) as raised:
            await caller.translate(DOG, model="none")
        assert raised.value.request_id == "mine"
        assert client.metadata == ()


async def test_a_key_that_cannot_be_sent_is_refused_at_once() -> None:
    far = "192.0.2.1:50051"
    async with AsyncClient(far) as client, AsyncClient(far, allow_plain_text_key=True) as careless:
        with pytest.raises(ValueError, match=r"^api_key: tls expected"):
            client.on_behalf("a-key")
        with pytest.raises(ValueError, match=r"^api_key: visible ASCII characters expected"):
            careless.on_behalf("a key")
        assert careless.on_behalf("a-key").metadata == (("authorization", "Bearer a-key"),)


@pytest.mark.parametrize("repeats_refused", [True, False])
async def test_what_is_refused_is_repeated_or_told_with_its_limit(tmp_path: Path, repeats_refused: bool) -> None:
    limited = key("translator", source_tokens_per_second=10, burst_source_tokens=1)
    keys = write_keys(tmp_path, limited)
    async with (
        serving(one_model(tmp_path), keys=keys) as served,
        AsyncClient(served.address, api_key=KEYS["translator"], repeats_refused=repeats_refused) as client,
    ):
        await client.translate(DOG)
        began = time.monotonic()
        if repeats_refused:
            assert (await client.translate(DOG)).translated_text
            assert time.monotonic() - began > 0.2
        else:
            with pytest.raises(Overloaded) as raised:
                await client.translate(DOG)
            assert raised.value.limit == 10
            assert raised.value.retry_after
