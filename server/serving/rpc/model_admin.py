"""The methods by which operators load and unload versions of models."""

from typing import TYPE_CHECKING, Any

import grpc

from seq2serve.pb import model_admin_pb2 as pb
from seq2serve.pb import model_admin_pb2_grpc as pb_grpc
from server.serving.models.registry import ModelRegistry

if TYPE_CHECKING:
    _Context = grpc.aio.ServicerContext[Any, Any]

MODEL_ADMIN = pb.DESCRIPTOR.services_by_name["ModelAdminService"].full_name


class ModelAdminService(pb_grpc.ModelAdminServiceServicer):
    def __init__(self, registry: ModelRegistry) -> None:
        self._registry = registry

    async def LoadModel(self, request: pb.LoadModelRequest, context: "_Context") -> pb.LoadModelResponse:
        return pb.LoadModelResponse(versions=await self._registry.load(request.model, request.version))

    async def UnloadModel(self, request: pb.UnloadModelRequest, context: "_Context") -> pb.UnloadModelResponse:
        await self._registry.unload(request.model, request.version)
        return pb.UnloadModelResponse()

    async def ReloadModels(self, request: pb.ReloadModelsRequest, context: "_Context") -> pb.ReloadModelsResponse:
        changes = await self._registry.reload()
        return pb.ReloadModelsResponse(loaded=changes.loaded, unloaded=changes.unloaded, problems=changes.problems)
