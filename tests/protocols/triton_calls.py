"""What a program does with `tritonclient`: it is imported in the client's process alone, when a function is called."""

import asyncio
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import Any

import numpy as np

from tests.fakes import PATIENCE

Answer = dict[str, Any]


def _client(address: str) -> Any:
    import tritonclient.grpc as triton

    return triton.InferenceServerClient(address)


def inputs(texts: Sequence[str], shape: Sequence[int] = (), name: str = "text_input") -> list[Any]:
    import tritonclient.grpc as triton

    values = np.array([text.encode() for text in texts], dtype=np.object_).reshape(shape or [len(texts), 1])
    tensor = triton.InferInput(name, list(values.shape), "BYTES")
    tensor.set_data_from_numpy(values)
    return [tensor]


def as_data(result: Any) -> Answer:
    """A result with all that a program can ask of it."""
    response = result.get_response(as_json=True)
    outputs = {output["name"]: result.as_numpy(output["name"]) for output in response["outputs"]}
    return {
        "id": response.get("id", ""),
        "model": response["model_name"],
        "version": response["model_version"],
        "shapes": {name: list(values.shape) for name, values in outputs.items()},
        "outputs": {
            name: [value.decode() if isinstance(value, bytes) else value.item() for value in values.flatten()]
            for name, values in outputs.items()
        },
        "parameters": {name: int(next(iter(value.values()))) for name, value in response.get("parameters", {}).items()},
    }


def infer(
    address: str,
    model: str,
    texts: Sequence[str],
    shape: Sequence[int] = (),
    outputs: Sequence[str] = (),
    **fields: Any,
) -> Answer:
    import tritonclient.grpc as triton

    wanted = [triton.InferRequestedOutput(name) for name in outputs] or None
    with _client(address) as client:
        return as_data(client.infer(model, inputs(texts, shape), outputs=wanted, **fields))


def infer_refused(address: str, model: str, texts: Sequence[str], **fields: Any) -> tuple[str, str]:
    """Status and message of a request that has to fail."""
    import tritonclient.grpc as triton

    with _client(address) as client:
        try:
            answer = client.infer(model, inputs(texts), **fields)
        except triton.InferenceServerException as error:
            return error.status(), error.message()
    raise AssertionError(f"answered: {as_data(answer)}")


def infer_with(address: str, model: str, tensors: dict[str, tuple[list[str], list[int]]], **fields: Any) -> Answer:
    """With several inputs: texts and shape by name."""
    with _client(address) as client:
        given = [one for name, (texts, shape) in tensors.items() for one in inputs(texts, shape, name)]
        return as_data(client.infer(model, given, **fields))


def infer_later(address: str, model: str, texts: Sequence[str]) -> Answer:
    """With a callback."""
    answers: SimpleQueue[tuple[Any, Any]] = SimpleQueue()
    with _client(address) as client:
        client.async_infer(model, inputs(texts), lambda result, error: answers.put((result, error)))
        result, error = answers.get(timeout=PATIENCE)
        assert error is None, error
        return as_data(result)


def describe(address: str, model: str) -> Answer:
    """All that can be asked of the server and a model."""
    with _client(address) as client:
        return {
            "live": client.is_server_live(),
            "ready": client.is_server_ready(),
            "model ready": client.is_model_ready(model),
            "version ready": client.is_model_ready(model, "1"),
            "other version ready": client.is_model_ready(model, "7"),
            "other model ready": client.is_model_ready("no-such-model"),
            "server": client.get_server_metadata(as_json=True),
            "model": client.get_model_metadata(model, as_json=True),
            "config": client.get_model_config(model, as_json=True)["config"],
            "statistics": client.get_inference_statistics(model, as_json=True)["model_stats"],
            "index": client.get_model_repository_index(as_json=True)["models"],
        }


def load(address: str, model: str, **fields: Any) -> tuple[str, str]:
    """Status and message; both empty where the model is loaded."""
    with _client(address) as client:
        return _refusal_of(lambda: client.load_model(model, **fields))


def unload(address: str, model: str) -> tuple[str, str]:
    """Status and message; both empty where the model is unloaded."""
    with _client(address) as client:
        return _refusal_of(lambda: client.unload_model(model))


def _refusal_of(call: Callable[[], object]) -> tuple[str, str]:
    import tritonclient.grpc as triton

    try:
        call()
    except triton.InferenceServerException as error:
        return error.status(), error.message()
    return "", ""


def versions(address: str, model: str) -> Answer:
    """What can be asked of the versions of a model."""
    with _client(address) as client:
        index = client.get_model_repository_index(as_json=True)["models"]
        statistics = client.get_inference_statistics(model, as_json=True)["model_stats"]
        return {
            "metadata": client.get_model_metadata(model, as_json=True)["versions"],
            "ready": [version for version in ("", "1", "2", "3", "old") if client.is_model_ready(model, version)],
            "index": [one["version"] for one in index if one["name"] == model and one["state"] == "READY"],
            "answered": {one["version"]: int(one.get("inference_count", 0)) for one in statistics},
        }


def stream(address: str, requests: Sequence[dict[str, Any]], num_answers: int) -> list[Answer | str]:
    """Many requests on one stream; the answers in the order in which they come, and errors as their texts."""
    answers: SimpleQueue[tuple[Any, Any]] = SimpleQueue()
    with _client(address) as client:
        client.start_stream(callback=lambda result, error: answers.put((result, error)), stream_timeout=PATIENCE)
        for request in requests:
            fields = {name: value for name, value in request.items() if name not in ("model", "texts")}
            client.async_stream_infer(request["model"], inputs(request["texts"]), **fields)
        got: list[Answer | str] = []
        while len(got) < num_answers or not (
            isinstance(got[-1], str) or got[-1]["parameters"]["triton_final_response"]
        ):
            result, error = answers.get(timeout=PATIENCE)
            got.append(error.message() if error else as_data(result))
        client.stop_stream()
    return got


def aio_infer(address: str, model: str, texts: Sequence[str]) -> list[Answer]:
    """Each text in a request of its own, all at once, with the client for asyncio."""
    import tritonclient.grpc.aio as triton

    async def infer_all() -> list[Answer]:
        async with triton.InferenceServerClient(address) as client:
            results = await asyncio.gather(*(client.infer(model, inputs([text])) for text in texts))
            return [as_data(result) for result in results]

    return asyncio.run(infer_all())


def aio_stream(address: str, model: str, texts: Sequence[str]) -> list[Answer]:
    import tritonclient.grpc.aio as triton

    async def infer_all() -> list[Answer]:
        async def requests() -> Any:
            for number, text in enumerate(texts):
                yield {
                    "model_name": model,
                    "inputs": inputs([text]),
                    "request_id": str(number),
                    "enable_empty_final_response": True,
                }

        async with triton.InferenceServerClient(address) as client:
            answers = []
            async for result, error in client.stream_infer(requests(), stream_timeout=PATIENCE):
                assert error is None, error
                answers.append(as_data(result))
            return answers

    return asyncio.run(infer_all())
