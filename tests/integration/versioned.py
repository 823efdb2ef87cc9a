"""A model of two versions that come and go, and what is asked of its server."""

from pathlib import Path
from typing import Any, cast

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from seq2serve.pb import model_admin_pb2 as admin_pb
from seq2serve.pb import model_admin_pb2_grpc as admin_grpc
from tests.fakes import PATIENCE
from tests.integration.served import Served, refusal
from tests.small_models import SENTENCES

NAME = "versioned"
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


def say(repository: Path, policy: str) -> None:
    (repository / NAME / "model.toml").write_text(policy, encoding="utf-8")


def admin(served: Served) -> Any:
    return admin_grpc.ModelAdminServiceStub(served.channel)


async def load(served: Served, version: str = "", name: str = NAME) -> list[str]:
    request = admin_pb.LoadModelRequest(model=name, version=version)
    return list((await admin(served).LoadModel(request, timeout=PATIENCE)).versions)


async def unload(served: Served, version: str = "", name: str = NAME) -> None:
    await admin(served).UnloadModel(admin_pb.UnloadModelRequest(model=name, version=version), timeout=PATIENCE)


async def reload(served: Served) -> admin_pb.ReloadModelsResponse:
    answer: admin_pb.ReloadModelsResponse = await admin(served).ReloadModels(
        admin_pb.ReloadModelsRequest(), timeout=PATIENCE
    )
    return answer


async def version_of(served: Served, model: str = NAME) -> str:
    return (await served.translate(SENTENCES[0], model=model)).model_version


async def health_of(served: Served, model: str) -> int:
    stub: Any = health_pb2_grpc.HealthStub(cast(Any, served.channel))
    status: int = (await stub.Check(health_pb2.HealthCheckRequest(service=f"model:{model}"))).status
    return status


async def is_refused(served: Served, **fields: Any) -> bool:
    return (await refusal(served.translate("a", **fields)))[0] == grpc.StatusCode.NOT_FOUND


async def is_version(served: Served, version: str) -> bool:
    return await version_of(served) == version


async def is_health(served: Served, model: str, status: int) -> bool:
    return await health_of(served, model) == status
