"""The document at /spec, and at /docs a page that shows it: plain HTML that asks nobody for anything."""

import base64
import hashlib
import json
from collections.abc import Iterator
from functools import cache
from html import escape

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route

from gateway.spec.describing import Json
from gateway.spec.document import document

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 50rem; margin: 2rem auto; padding: 0 1rem; }
h2 { font-size: 1rem; margin-bottom: 0; } code, pre { font-family: ui-monospace, monospace; }
pre { overflow-x: auto; padding: .5rem; border: 1px solid; } td { padding-right: 1rem; vertical-align: top; }
:root { color-scheme: light dark; }
"""
_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY = f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


def spec_routes() -> list[BaseRoute]:
    async def spec(_: Request) -> Response:
        return JSONResponse(document())

    async def docs(_: Request) -> Response:
        return HTMLResponse(page(), headers={"Content-Security-Policy": _POLICY})

    return [Route("/spec", spec), Route("/docs", docs), Route("/docs/", docs)]


@cache
def page() -> str:
    described = document()
    title = escape(described["info"]["title"])
    intro = escape(described["info"]["description"])
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{title}</title><style>{_STYLE}</style><h1>{title}</h1><p>{intro} "
        f'The same for programs: <a href="/spec">/spec</a> (OpenAPI).</p>{"".join(_operations(described))}</html>'
    )


def _operations(described: Json) -> Iterator[str]:
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            yield f"<h2><code>{method.upper()} {escape(path)}</code></h2><p>{escape(operation['summary'])}</p>"
            if content := operation.get("requestBody", {}).get("content"):
                kinds = ", ".join(content)
                schema = next(iter(content.values()))["schema"]
                yield f"<p>{escape(kinds)}</p><table>{''.join(_fields(schema))}</table>"
            answers = ", ".join(operation["responses"])
            yield f"<p>Answers: {answers}</p>"


def _fields(schema: Json) -> Iterator[str]:
    for name, field in schema.get("properties", {}).items():
        needed = "required" if name in schema.get("required", []) else ""
        kind = field.get("type") or json.dumps(field)
        values = ", ".join(field.get("enum", []))
        yield f"<tr><td><code>{escape(name)}</code><td>{escape(kind)}<td>{escape(values)}<td>{needed}"
