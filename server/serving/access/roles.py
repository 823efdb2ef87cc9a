"""Which role a call needs, by the full name of its method. Whatever protocol has a method, this is the one place that
says who may call it."""

from collections.abc import Iterable

from server.keys.key_file import ADMIN, READ, SCORE, TRANSLATE, WATCH

_OPEN: tuple[str, ...] = (
    "grpc.health.v1.Health/Check",
    "grpc.health.v1.Health/Watch",
    "inference.GRPCInferenceService/ServerLive",
    "inference.GRPCInferenceService/ServerReady",
    "inference.GRPCInferenceService/ModelReady",
)
"""Methods of health checks: load balancers and orchestrators have no keys, and learn no more than whether a model is
served."""

_METHODS: dict[str, tuple[str, ...]] = {
    TRANSLATE: (
        "translation.v1.TranslationService/Translate",
        "translation.v1.TranslationService/StreamTranslate",
        "translation.v1.TranslationService/TranslateStream",
        "inference.GRPCInferenceService/ModelInfer",
        "inference.GRPCInferenceService/ModelStreamInfer",
        "google.cloud.translation.v3.TranslationService/TranslateText",
    ),
    SCORE: ("translation.v1.TranslationService/Score",),
    READ: (
        "translation.v1.TranslationService/ListModels",
        "translation.v1.TranslationService/GetModel",
        "grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        "inference.GRPCInferenceService/ServerMetadata",
        "inference.GRPCInferenceService/ModelMetadata",
        "inference.GRPCInferenceService/ModelConfig",
        "inference.GRPCInferenceService/ModelStatistics",
        "inference.GRPCInferenceService/RepositoryIndex",
        "google.cloud.translation.v3.TranslationService/GetSupportedLanguages",
        "google.cloud.translation.v3.TranslationService/DetectLanguage",
    ),
    WATCH: ("operations.v1.OperationsService/WatchBatches",),
    ADMIN: (
        "model_admin.v1.ModelAdminService/LoadModel",
        "model_admin.v1.ModelAdminService/UnloadModel",
        "model_admin.v1.ModelAdminService/ReloadModels",
        "inference.GRPCInferenceService/RepositoryModelLoad",
        "inference.GRPCInferenceService/RepositoryModelUnload",
    ),
}

OPEN = ""
"""In place of a role: everybody may call the method, without any key."""


def _by_method(role: str, methods: Iterable[str]) -> dict[str, str]:
    return {f"/{method}": role for method in methods}


_ROLES = _by_method(OPEN, _OPEN)
for _role, _methods in _METHODS.items():
    _ROLES |= _by_method(_role, _methods)


def role_of(method: str) -> str:
    """The role that calls of a method need, or `OPEN`. `method`: its full name, as `/package.Service/Method`. Whoever
    may call what nobody has thought of here is an admin."""
    return _ROLES.get(method, ADMIN)
