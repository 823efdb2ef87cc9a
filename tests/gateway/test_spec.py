"""The OpenAPI document is true: requests are made from it, and answers compared with it."""

from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from gateway.spec.document import document
from tests.fakes import PATIENCE

CHECKS: list[Any] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    unsupported_method,
]
"""Not those that know which requests are right: of a text that may be a language's code the server alone knows that."""


schema = schemathesis.openapi.from_dict(document())
quiet = settings(
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@schema.parametrize()
@settings(quiet, max_examples=2)
def test_answers_are_as_the_document_has_them(case: Any, url: str) -> None:
    case.call_and_validate(base_url=url, checks=CHECKS, timeout=PATIENCE)


@pytest.mark.nightly
@schema.parametrize()
@settings(quiet, max_examples=300)
def test_answers_to_many_requests_are_as_the_document_has_them(case: Any, url: str) -> None:
    case.call_and_validate(base_url=url, checks=CHECKS, timeout=PATIENCE)


def test_the_page_for_people_has_every_path(url: str) -> None:
    described = requests.get(f"{url}/spec", timeout=PATIENCE).json()
    assert described == document()
    page = requests.get(f"{url}/docs", timeout=PATIENCE)
    assert page.headers["content-type"].startswith("text/html")
    for path in described["paths"]:
        assert path in page.text
