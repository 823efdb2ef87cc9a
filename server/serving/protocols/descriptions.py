"""The server and its models as the Open Inference Protocol describes them."""

from collections.abc import Iterator, Mapping
from typing import Protocol

from server.errors import UnknownModel
from server.serving.metrics import RequestMetrics, Tally, versions
from server.serving.models.catalogue import Models, ServedModel
from server.serving.protocols.inference_request import OPTIONAL_INPUTS, OUTPUTS, TEXT_INPUT
from server.serving.protocols.pb import inference_pb2 as pb
from server.serving.protocols.tensors import BYTES, FP32, INT32

_SERVER = "seq2serve"
_EXTENSIONS = ["model_configuration", "model_repository", "statistics", "parameters"]

_TYPES = {BYTES: pb.TYPE_STRING, FP32: pb.TYPE_FP32, INT32: pb.TYPE_INT32}

_BATCH = [-1, 1]
"""The shape of a tensor: any number of texts."""


class Serving(Protocol):
    """What knows which models can answer."""

    @property
    def num_serving(self) -> Mapping[str, int]:
        """Engines that serve, by model."""


class Descriptions:
    def __init__(self, models: Models, serving: Serving, max_contents: int, metrics: RequestMetrics) -> None:
        self._models = models
        self._serving = serving
        self._max_contents = max_contents
        self._metrics = metrics

    def find(self, name: str, version: str) -> ServedModel:
        """The model of that name, or the default one; an empty version is the one that is served. Raises
        UnknownModel."""
        model = self._models.named(name)
        if version not in ("", model.manifest.version):
            name = model.manifest.name
            raise UnknownModel(f"{name}/{version}", [f"{name}/{model.manifest.version}"])
        return model

    def server_is_ready(self) -> bool:
        return any(self._serving.num_serving.values())

    def is_ready(self, name: str, version: str) -> bool:
        """Of a model; one that is not served is not ready."""
        try:
            model = self.find(name, version)
        except UnknownModel:
            return False
        return self._serves(model)

    def _serves(self, model: ServedModel) -> bool:
        return self._serving.num_serving[model.manifest.name] > 0

    def server(self) -> pb.ServerMetadataResponse:
        return pb.ServerMetadataResponse(
            name=_SERVER, version=versions().get(_SERVER, "unknown"), extensions=_EXTENSIONS
        )

    def metadata(self, model: ServedModel) -> pb.ModelMetadataResponse:
        manifest = model.manifest
        answer = pb.ModelMetadataResponse(name=manifest.name, versions=[manifest.version], platform=_platform(model))
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
        """Of one model, or of all where no name is given. Raises UnknownModel."""
        models = [self.find(name, version)] if name else list(self._models)
        return pb.ModelStatisticsResponse(model_stats=[self._statistics(model) for model in models])

    def _statistics(self, model: ServedModel) -> pb.ModelStatistics:
        name = model.manifest.name
        answered, failed = self._metrics.answered[name], self._metrics.failed[name]
        return pb.ModelStatistics(
            name=name,
            version=model.manifest.version,
            inference_count=answered.number,
            execution_count=answered.number,
            inference_stats=pb.InferStatistics(success=_duration(answered), fail=_duration(failed)),
        )

    def index(self, only_ready: bool) -> Iterator[pb.RepositoryIndexResponse.ModelIndex]:
        """The models, in the server's order."""
        for model in self._models:
            is_ready = self._serves(model)
            if is_ready or not only_ready:
                yield pb.RepositoryIndexResponse.ModelIndex(
                    name=model.manifest.name,
                    version=model.manifest.version,
                    state="READY" if is_ready else "UNAVAILABLE",
                    reason="" if is_ready else "its engine is being started again",
                )


def _platform(model: ServedModel) -> str:
    return f"{_SERVER}_{model.manifest.architecture}"


def _duration(tally: Tally) -> pb.StatisticDuration:
    return pb.StatisticDuration(count=tally.number, ns=round(1e9 * tally.seconds))
