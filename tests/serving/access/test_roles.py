"""Every method that is served has a role, and what nobody has thought of is an admin's."""

import pytest
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2
from hypothesis import given
from hypothesis import strategies as st

from seq2serve.pb import operations_pb2, translation_pb2
from server.keys.key_file import ADMIN, READ, SCORE, TRANSLATE, WATCH
from server.serving.access.roles import OPEN, role_of
from server.serving.protocols.pb import inference_pb2, translation_service_pb2


def methods_of(module: object) -> list[str]:
    services = module.DESCRIPTOR.services_by_name.values()  # type: ignore[attr-defined]
    return [f"/{service.full_name}/{method.name}" for service in services for method in service.methods]


CHANGING = [f"/inference.GRPCInferenceService/RepositoryModel{change}" for change in ("Load", "Unload")]
PROTOCOLS = [translation_pb2, operations_pb2, reflection_pb2, inference_pb2, translation_service_pb2]
METHODS = [method for module in PROTOCOLS for method in methods_of(module) if method not in CHANGING]
"""All that are served, but those that change what is served."""

PROBES = [f"/inference.GRPCInferenceService/{name}" for name in ("ServerLive", "ServerReady", "ModelReady")]


@pytest.mark.parametrize("method", METHODS)
def test_a_method_of_the_contract_needs_a_role_that_is_not_admin(method: str) -> None:
    assert role_of(method) in ((OPEN,) if method in PROBES else (TRANSLATE, SCORE, READ, WATCH))


def test_a_health_check_needs_none_and_a_list_of_what_is_served_does() -> None:
    is_open = {method: role_of(method) == OPEN for method in methods_of(health_pb2)}
    service = "/grpc.health.v1.Health"
    assert is_open == {f"{service}/Check": True, f"{service}/List": False, f"{service}/Watch": True}


@pytest.mark.parametrize(
    "method",
    [
        "",
        "/",
        "translation.v1.TranslationService/Translate",
        "/translation.v1.TranslationService/translate",
        "/translation.v1.TranslationService/Translate/",
        "//translation.v1.TranslationService/Translate",
        "/translation.v1.TranslationService/",
        "/grpc.health.v1.Health/",
        "/grpc.health.v1.Health/Check2",
        "/inference.GRPCInferenceService/RepositoryModelLoad",
        "/inference.GRPCInferenceService/RepositoryModelUnload",
        "/unknown/unknown",
    ],
)
def test_any_other_name_is_an_admin_s(method: str) -> None:
    assert role_of(method) == ADMIN


@given(st.sampled_from(METHODS + methods_of(health_pb2)), st.data())
def test_no_text_that_is_nearly_a_method_s_name_is_open_by_chance(method: str, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(method) - 1))
    other = data.draw(st.sampled_from(["", method[place].swapcase(), method[place] + "/", " ", "\0", "é"]))
    text = method[:place] + other + method[place + 1 :]
    assert text == method or role_of(text) == ADMIN
