"""The server and its models as the Open Inference Protocol describes them."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from server.errors import UnknownModel
from server.serving.metrics import RequestMetrics, Tally, versions
from server.serving.models.registry import ModelRegistry
from server.serving.models.repository import SEPARATOR, find_versions
from server.serving.models.served import ServedModel
from server.serving.protocols.inference_request import OPTIONAL_INPUTS, OUTPUTS, TEXT_INPUT
from server.serving.protocols.pb import inference_pb2 as pb
from server.serving.protocols.tensors import BYTES, FP32, INT32

_SERVER = "seq2serve"
_EXTENSIONS = ["model_configuration", "model_repository", "statistics", "parameters"]

_TYPES = {BYTES: pb.TYPE_STRING, FP32: pb.TYPE_FP32, INT32: pb.TYPE_INT32}

_BATCH = [-1, 1]
"""The shape of a tensor: any number of texts."""


class Descriptions:
    def __init__(
        self, registry: ModelRegistry, repositories: Sequence[Path], max_contents: int, metrics: RequestMetrics
    ) -> None:
        self._registry = registry
        self._repositories = repositories
        self._models = registry.models
        self._max_contents = max_contents
        self._metrics = metrics

    def full_name(self, name: str, version: str) -> str:
        """A model and a version, by number or label, as a request of translation.v1 names them; an empty name is the
        default model's where there is a version."""
        return f"{name or self._models.default}{SEPARATOR}{version}" if version else name

    def find(self, name: str, version: str, fields: tuple[str, str] = ("name", "version")) -> ServedModel:
        """That version of the model of that name, or of the default one; where it is empty, the one that answers most
        requests. `fields`: what the request calls them. Raises UnknownModel, of the field that is wrong."""
        try:
            return self._models.described(self.full_name(name, version))
        except UnknownModel as error:
            own_name = name.partition(SEPARATOR)[0] or self._models.default
            has_model = any(model.name == own_name for model in self._models)
            raise error.about(fields[bool(version and has_model)]) from None

    def server_is_ready(self) -> bool:
        return any(self._registry.health.values())

    def is_ready(self, name: str, version: str) -> bool:
        """Of a model, or a version of it; one that is not served is not ready."""
        return self._registry.health.get(self.full_name(name, version) or self._models.default, False)

    def server(self) -> pb.ServerMetadataResponse:
        return pb.ServerMetadataResponse(
            name=_SERVER, version=versions().get(_SERVER, "unknown"), extensions=_EXTENSIONS
        )

    def metadata(self, model: ServedModel) -> pb.ModelMetadataResponse:
        manifest = model.manifest
        served = self._models[manifest.name].versions
        answer = pb.ModelMetadataResponse(name=manifest.name, versions=served, platform=_platform(model))
        for name, shape in ({TEXT_INPUT: _BATCH} | OPTIONAL_INPUTS).items():
            answer.inputs.add(name=name, datatype=BYTES, shape=shape)
        for name, datatype in OUTPUTS.items():
            answer.outputs.add(name=name, datatype=datatype, shape=_BATCH)
        return answer

    def config(self, model: ServedModel) -> pb.ModelConfigResponse:
        manifest = model.manifest
        config = pb.ModelConfig(
            name=manifest.name,
            platform=_platform(model),
            backend=_SERVER,
            max_batch_size=self._max_contents,
            model_transaction_policy=pb.ModelTransactionPolicy(decoupled=False),
        )
        config.input.add(name=TEXT_INPUT, data_type=_TYPES[BYTES], dims=_BATCH[1:])
        for name, shape in OPTIONAL_INPUTS.items():
            config.input.add(name=name, data_type=_TYPES[BYTES], dims=shape[1:], optional=True)
        for name, datatype in OUTPUTS.items():
            config.output.add(name=name, data_type=_TYPES[datatype], dims=_BATCH[1:])
        config.parameters["source_language_codes"].string_value = ",".join(manifest.source_codes)
        config.parameters["target_language_codes"].string_value = ",".join(manifest.target_codes)
        return pb.ModelConfigResponse(config=config)

    def statistics(self, name: str, version: str) -> pb.ModelStatisticsResponse:
        """Of one version, of all of a model where none is given, or of all models where no name is. Raises
        UnknownModel."""
        if not name:
            models = [served for model in self._models for served in model.versions.values()]
        elif version or SEPARATOR in name:
            models = [self.find(name, version)]
        else:
            models = list(self._models[self.find(name, "").manifest.name].versions.values())
        return pb.ModelStatisticsResponse(model_stats=[self._statistics(model) for model in models])

    def _statistics(self, model: ServedModel) -> pb.ModelStatistics:
        name, version = model.manifest.name, model.manifest.version
        answered, failed = self._metrics.answered[name, version], self._metrics.failed[name, version]
        return pb.ModelStatistics(
            name=name,
            version=version,
            inference_count=answered.num_contents,
            execution_count=answered.number,
            inference_stats=pb.InferStatistics(success=_duration(answered), fail=_duration(failed)),
        )

    async def index(self, only_ready: bool) -> list[pb.RepositoryIndexResponse.ModelIndex]:
        """The versions that are loaded, in the server's order of models, oldest first, and those that lie in the
        repositories beside them."""
        found = {} if only_ready else await asyncio.to_thread(find_versions, self._repositories)
        loaded = {model.name: model.versions for model in self._models}
        listed = []
        for name in dict.fromkeys([*loaded, *found]):
            for version in sorted({*loaded.get(name, ()), *found.get(name, ())}, key=int):
                reason = self._why_not_ready(name, version)
                if reason and only_ready:
                    continue
                state = "UNAVAILABLE" if reason else "READY"
                listed.append(
                    pb.RepositoryIndexResponse.ModelIndex(name=name, version=version, state=state, reason=reason)
                )
        return listed

    def _why_not_ready(self, name: str, version: str) -> str:
        """Empty for a version that is ready."""
        serves = self._registry.health.get(name + SEPARATOR + version)
        if serves is None:
            return "it lies in the repository and is not loaded"
        return "" if serves else "its engine is being started again"


def _platform(model: ServedModel) -> str:
    return f"{_SERVER}_{model.manifest.architecture}"


def _duration(tally: Tally) -> pb.StatisticDuration:
    return pb.StatisticDuration(count=tally.number, ns=round(1e9 * tally.seconds))
