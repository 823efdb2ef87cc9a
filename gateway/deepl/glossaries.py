"""Glossaries that callers make through DeepL's API, and its endpoints for them. The server is sent their entries with
each request; glossaries that its model repository keeps are used by their names, and are not listed here."""

import csv
import hashlib
import io
import json
import re
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from gateway.callers import key_in, on_behalf
from gateway.deepl.errors import refuse
from gateway.fields import read_fields, wrong
from gateway.languages import targets_by_source
from gateway.settings import Settings
from seq2serve import AsyncClient, GlossaryEntry, Model, TranslationError
from seq2serve.glossary_file import MAX_TERM_CHARACTERS

_MOST_GLOSSARIES = 1000
_MOST_OF_ONE_OWNER = 100
_MOST_CHARACTERS = 1024
"""Of a name."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
"""Characters that no term may have: entries are answered as lines with tabs."""

_SEPARATORS = {"tsv": "\t", "csv": ","}

Owner = str
"""Digest of a caller's key; empty for those who have none, and share theirs."""


def owner_of(key: str) -> Owner:
    return hashlib.sha256(key.encode()).hexdigest() if key else ""


@dataclass(frozen=True)
class MadeGlossary:
    glossary_id: str
    name: str
    owner: Owner
    source_lang: str
    target_lang: str
    creation_time: str
    """RFC 3339."""
    entries: tuple[tuple[str, str], ...]
    """Source term and target term."""

    @property
    def messages(self) -> list[GlossaryEntry]:
        return [GlossaryEntry(source_term=source, target_term=target) for source, target in self.entries]

    @property
    def described(self) -> dict[str, Any]:
        """As DeepL answers it."""
        fields = asdict(self)
        del fields["owner"], fields["entries"]
        return fields | {"ready": True, "entry_count": len(self.entries)}


class Glossaries:
    """All of them, and, where there is a folder, a file of each."""

    def __init__(self, folder: str) -> None:
        """`folder`: empty for none. Raises OSError or ValueError for one that cannot be read."""
        self._folder = Path(folder) if folder else None
        self._made: dict[str, MadeGlossary] = {}
        if self._folder:
            self._folder.mkdir(parents=True, exist_ok=True)
            for path in sorted(self._folder.glob("*.json")):
                glossary = _read(path)
                self._made[glossary.glossary_id] = glossary

    def find(self, glossary_id: str, owner: Owner) -> MadeGlossary | None:
        glossary = self._made.get(glossary_id)
        return glossary if glossary and glossary.owner == owner else None

    def of(self, owner: Owner) -> list[MadeGlossary]:
        return [glossary for glossary in self._made.values() if glossary.owner == owner]

    def add(self, glossary: MadeGlossary) -> None:
        """Raises HTTPException where there are as many as may be."""
        num_own = len(self.of(glossary.owner))
        if num_own >= _MOST_OF_ONE_OWNER or len(self._made) >= _MOST_GLOSSARIES:
            limits = f"at most {_MOST_OF_ONE_OWNER}, and {_MOST_GLOSSARIES} of all callers"
            raise HTTPException(456, f"Quota exceeded: glossaries: {limits}, expected, got {num_own + 1}")
        if self._folder:
            path = self._path(self._folder, glossary)
            unfinished = path.with_suffix(".part")
            unfinished.write_text(json.dumps(asdict(glossary)), encoding="utf-8")
            unfinished.replace(path)
        self._made[glossary.glossary_id] = glossary

    def remove(self, glossary: MadeGlossary) -> None:
        if self._folder:
            self._path(self._folder, glossary).unlink(missing_ok=True)
        del self._made[glossary.glossary_id]

    def _path(self, folder: Path, glossary: MadeGlossary) -> Path:
        return folder / f"{glossary.glossary_id}.json"


def _read(path: Path) -> MadeGlossary:
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
        entries = tuple((str(source), str(target)) for source, target in fields.pop("entries"))
        return MadeGlossary(entries=entries, **fields)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"glossaries: {path}: a glossary's file expected: {error}") from error


Answer = Callable[[Request, AsyncClient, Owner], Awaitable[Response]]


def glossary_routes(client: AsyncClient, glossaries: Glossaries, settings: Settings) -> list[BaseRoute]:
    def route(path: str, **answers: Answer) -> Route:
        """`answers`: by the method of a request, for those alone whom the server knows, where it needs keys."""

        async def checked(request: Request) -> Response:
            key = key_in(request.headers)
            caller = on_behalf(client, request.headers, key)
            answer = answers.get(request.method) or answers["GET"]  # which answers HEAD as well
            try:
                await caller.list_models()
                return await answer(request, caller, owner_of(key))
            except TranslationError as error:
                raise refuse(error) from error

        return Route(path, checked, methods=list(answers))

    async def create(request: Request, caller: AsyncClient, owner: Owner) -> Response:
        glossary = await _asked(request, caller, owner, settings)
        glossaries.add(glossary)
        return JSONResponse(glossary.described, 201)

    async def list_all(_: Request, __: AsyncClient, owner: Owner) -> Response:
        return JSONResponse({"glossaries": [glossary.described for glossary in glossaries.of(owner)]})

    async def describe(request: Request, _: AsyncClient, owner: Owner) -> Response:
        return JSONResponse(found(request, owner).described)

    async def entries(request: Request, _: AsyncClient, owner: Owner) -> Response:
        lines = ["\t".join(entry) for entry in found(request, owner).entries]
        return Response("\n".join(lines), media_type="text/tab-separated-values; charset=utf-8")

    async def delete(request: Request, _: AsyncClient, owner: Owner) -> Response:
        glossaries.remove(found(request, owner))
        return Response(status_code=204)

    def found(request: Request, owner: Owner) -> MadeGlossary:
        glossary = glossaries.find(request.path_params["glossary_id"], owner)
        if glossary is None:
            raise HTTPException(404, "Glossary not found")
        return glossary

    return [
        route("/v2/glossary-language-pairs", GET=_pairs),
        route("/v2/glossaries", GET=list_all, POST=create),
        route("/v2/glossaries/{glossary_id}", GET=describe, DELETE=delete),
        route("/v2/glossaries/{glossary_id}/entries", GET=entries),
    ]


async def _asked(request: Request, caller: AsyncClient, owner: Owner, settings: Settings) -> MadeGlossary:
    """The glossary that a request asks for. Raises HTTPException."""
    fields = await read_fields(request, settings.max_body_bytes)
    for name in ("name", "source_lang", "target_lang", "entries", "entries_format"):
        if not fields.has(name):
            raise HTTPException(400, f"Bad request. Parameter '{name}' not specified.")
    if len(fields.text("name")) > _MOST_CHARACTERS:
        raise wrong("name", f"at most {_MOST_CHARACTERS} characters expected, got {len(fields.text('name'))}")
    glossary = MadeGlossary(
        glossary_id=str(uuid.uuid4()),
        name=fields.text("name"),
        owner=owner,
        source_lang=fields.text("source_lang").lower(),
        target_lang=fields.text("target_lang").lower(),
        creation_time=datetime.now(UTC).isoformat(timespec="milliseconds"),
        entries=tuple(read_entries(fields.text("entries"), fields.text("entries_format"))),
    )
    models = await caller.list_models()
    directions = _directions(models)
    if (glossary.source_lang, glossary.target_lang) not in directions:
        served = ", ".join(f"{source}-{target}" for source, target in directions)
        asked = f"{glossary.source_lang}-{glossary.target_lang}"
        raise wrong("source_lang and target_lang", f"one of {served} expected, got {asked[:_MOST_CHARACTERS]}")
    most = min((model.limits.max_glossary_entries for model in models), default=0)
    if len(glossary.entries) > most:
        raise wrong("entries", f"at most {most} expected, got {len(glossary.entries)}")
    return glossary


async def _pairs(_: Request, caller: AsyncClient, __: Owner) -> Response:
    directions = _directions(await caller.list_models())
    listed = [{"source_lang": source, "target_lang": target} for source, target in directions]
    return JSONResponse({"supported_languages": listed})


def _directions(models: Sequence[Model]) -> list[tuple[str, str]]:
    """Source and target of each direction that any of the models has."""
    targets = targets_by_source(models)
    return [(source.lower(), target.lower()) for source, of_source in targets.items() for target in of_source]


def read_entries(text: str, entries_format: str) -> Sequence[tuple[str, str]]:
    """The terms of a glossary's lines. Raises HTTPException for a line that does not have two, or terms that no server
    takes."""
    separator = _SEPARATORS.get(entries_format)
    if separator is None:
        raise wrong("entries_format", f"one of {', '.join(_SEPARATORS)} expected, got {entries_format!r}")
    rows = csv.reader(
        io.StringIO(text, newline=None),
        delimiter=separator,
        quoting=csv.QUOTE_MINIMAL if separator == "," else csv.QUOTE_NONE,
    )
    entries: dict[str, str] = {}
    try:
        for number, row in enumerate(rows, start=1):
            if not row:
                continue
            source, target, *_ = [*(term.strip() for term in row), "", ""]
            _check_terms(number, source, target)
            if source in entries:
                problem = f"each source term once expected, got {source[:50]!r} again in line {number}"
                raise wrong("entries", problem)
            entries[source] = target
    except csv.Error as error:
        raise wrong("entries", f"{entries_format.upper()} expected, got what is none: {error}") from None
    return list(entries.items())


def _check_terms(number: int, source: str, target: str) -> None:
    for term in (source, target):
        if not term:
            raise wrong("entries", f"a source term and a target term in each line expected, got line {number} without")
        if len(term) > MAX_TERM_CHARACTERS:
            problem = f"terms of at most {MAX_TERM_CHARACTERS} characters expected, got {len(term)} in line {number}"
            raise wrong("entries", problem)
        if _CONTROL.search(term):
            raise wrong("entries", f"terms without control characters expected, got {term[:50]!r} in line {number}")
