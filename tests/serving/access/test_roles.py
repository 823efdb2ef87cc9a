"""Every method that is served has a role, and what nobody has thought of is an admin's."""

import pytest
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2
from hypothesis import given
from hypothesis import strategies as st

from seq2serve.pb import translation_pb2
from server.keys.key_file import ADMIN, READ, SCORE, TRANSLATE
from server.serving.access.roles import OPEN, role_of


def methods_of(module: object) -> list[str]:
    services = module.DESCRIPTOR.services_by_name.values()  # type: ignore[attr-defined]
    return [f"/{service.full_name}/{method.name}" for service in services for method in service.methods]


@pytest.mark.parametrize("method", methods_of(translation_pb2) + methods_of(reflection_pb2))
def test_a_method_of_the_contract_needs_a_role_that_is_not_admin(method: str) -> None:
    assert role_of(method) in (TRANSLATE, SCORE, READ)


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


@given(st.text())
def test_no_text_is_open_by_chance(method: str) -> None:
    assert role_of(method) == ADMIN
