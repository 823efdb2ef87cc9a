"""The models that are loaded: versions come and go while the server runs, each with engines of its own.

A version that comes is read, its engines are started and warmed, and only then does it answer. A version that goes is
first taken out of what requests choose from; requests that have chosen it end, and then its engines do. What cannot be
loaded changes nothing. Used on the event loop's thread alone.
"""

import asyncio
import gc
import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from server.bundle.manifest import Bundle, BundleError
from server.config import ServerConfig
from server.errors import NotFound, Refused
from server.messages.sentence import SentenceDecoder
from server.serving.engines.processes import Engines
from server.serving.metrics import Metrics
from server.serving.models.backlog import Backlog
from server.serving.models.catalogue import Models
from server.serving.models.loaded import LoadedModel, LoadedVersion
from server.serving.models.repository import (
    SEPARATOR,
    ModelFiles,
    ModelFolder,
    check_default,
    check_engines,
    find_models,
    read_glossaries,
    read_models,
)
from server.serving.models.served import ServedModel
from server.serving.models.versions import ModelVersions
from server.text.bundle_tokenizers import open_tokenizers

_logger = logging.getLogger(__name__)

_MAX_SHOWN = 2000
"""Characters of problems in a message, which has to have room in a header, twice."""


@dataclass(frozen=True)
class Changes:
    """What a reload has done, by `<model>@<version>`."""

    loaded: list[str] = field(default_factory=list)
    unloaded: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    """Why models were left as they are."""
    left: list[str] = field(default_factory=list)
    """Names of models that were asked for, and left as they are."""


class ModelRegistry:
    """The loaded models; `start` has to be called first."""

    def __init__(self, config: ServerConfig, engines: Engines, metrics: Metrics, on_change: Callable[[], None]) -> None:
        """`on_change` is called when models have changed, and `health` with them."""
        self._config = config
        self._engines = engines
        self._metrics = metrics
        self._on_change = on_change
        self.models = Models(config.default_models)
        """What requests choose from."""
        self._by_name: dict[str, LoadedModel] = {}
        self._changing = asyncio.Lock()
        """Held while versions are loaded: one change at a time."""
        self._going: set[asyncio.Task[None]] = set()
        """Versions that requests choose no more, until their engines and their last requests have ended."""

    @property
    def health(self) -> Mapping[str, bool]:
        """Whether an engine serves, by all that a request may name: models, and versions and labels of them."""
        serving: dict[str, bool] = {}
        for name, model in self._by_name.items():
            by_version = {version: loaded.engines.pool.num_serving > 0 for version, loaded in model.versions.items()}
            serving[name] = any(by_version.values())
            serving |= {name + SEPARATOR + version: serves for version, serves in by_version.items()}
            labels = self.models[name].labels
            serving |= {name + SEPARATOR + label: by_version[version] for label, version in labels.items()}
        return serving

    async def start(self) -> None:
        """Load all that the repositories have. Raises BundleError with every problem, or OSError where no process can
        be started."""
        async with self._changing:
            files = await asyncio.to_thread(self._read_all)
            coming = [(bundle, read.glossaries_digest) for read in files for bundle in read.bundles.values()]
            loaded = iter(await self._load_all(coming))
            for read in files:
                self._serve(LoadedModel(read.policy, {version: next(loaded) for version in read.bundles}))

    def _read_all(self) -> list[ModelFiles]:
        """Raises BundleError with every problem."""
        files = read_models(self._config.model_repository)
        bundles = [bundle for read in files for bundle in read.bundles.values()]
        check_default(bundles, self._config.default_models)
        check_engines(bundles, self._config.engines_by_model)
        return files

    async def reload(self, names: Collection[str] | None = None, logged: Collection[str] = ()) -> Changes:
        """Serve what the repositories say now of these models, or of all. A model of which anything is wrong is left as
        it is; all are where a repository cannot be read. `logged`: problems that the log has already."""
        changes = Changes()
        async with self._changing:
            try:
                found = await asyncio.to_thread(find_models, self._config.model_repository)
                for name in sorted({*found, *self._by_name} if names is None else names):
                    await self._reload_one(name, found.get(name), changes)
            except BundleError as error:
                changes.problems.extend(error.problems)
                changes.left.extend(names or ())
        _log_problems(problem for problem in changes.problems if problem not in logged)
        return changes

    async def _reload_one(self, name: str, folder: ModelFolder | None, changes: Changes) -> None:
        try:
            if folder:
                await self._refresh(folder, changes)
            elif name in self._by_name:
                versions = self._by_name[name].versions.values()
                self._take_out(name)
                changes.unloaded.extend(map(str, versions))
        except BundleError as error:
            changes.problems.extend(error.problems)
            changes.left.append(name)
        except (Refused, OSError) as error:
            changes.problems.append(f"{name}: {error}")
            changes.left.append(name)

    async def load(self, name: str, version: str = "") -> list[str]:
        """Serve a version beside those that are served, or anew where its folder has changed; without a version, what
        the model's folder says. Returns the versions that are served then, oldest first.

        Raises NotFound; Refused with every problem of what cannot be served.
        """
        async with self._changing:
            try:
                folder = (await asyncio.to_thread(find_models, self._config.model_repository)).get(name)
                if folder is None or (version and version not in folder.versions):
                    raise NotFound(f"{_shown(name, version)} is in no repository")
                await self._refresh(folder, Changes(), version)
            except BundleError as error:
                _log_problems(error.problems)
                raise Refused(_listed(error.problems)) from error
            except OSError as error:
                raise Refused(f"{name}: {error}") from error
            return list(self._by_name[name].versions)

    async def unload(self, name: str, version: str = "") -> None:
        """Serve a version no longer, or a whole model; returns once its requests have ended, and its memory is given
        back.

        Raises NotFound for what is not served, and Refused for the last of a default model and for what has a label.
        """
        async with self._changing:
            model = self._by_name.get(name)
            if model is None or (version and version not in model.versions):
                raise NotFound(f"{_shown(name, version)} is not served")
            going = self._take_out(name, version)
        await asyncio.wait(going)

    async def _refresh(self, folder: ModelFolder, changes: Changes, version: str = "") -> None:
        """Serve what a model's folder says; with a version, this one beside those that are served. Raises BundleError
        with every problem, or OSError."""
        served = self._by_name[folder.name].versions if folder.name in self._by_name else {}
        known = {version: loaded.bundle for version, loaded in served.items()}
        files = await asyncio.to_thread(folder.read, known, version)
        kept = {
            version: served[version]
            for version, bundle in files.bundles.items()
            if version in served and served[version].is_of(bundle, files.glossaries_digest)
        }
        coming = [version for version in files.bundles if version not in kept]
        arrived = await self._load_all([(files.bundles[version], files.glossaries_digest) for version in coming])
        come = dict(zip(coming, arrived, strict=True))
        versions = (dict(served) if version else {}) | kept | come
        changes.loaded.extend(map(str, come.values()))
        changes.unloaded.extend(str(loaded) for version, loaded in served.items() if version not in versions)
        self._serve(LoadedModel(files.policy, {version: versions[version] for version in sorted(versions, key=int)}))
        for loaded in come.values():
            _logger.info("%s is served", loaded)

    async def _load_all(self, coming: Iterable[tuple[Bundle, str]]) -> list[LoadedVersion]:
        """Load bundles, each with the digest of its glossaries: all or none. Raises BundleError with every problem, or
        OSError."""
        loading = [asyncio.create_task(self._load(bundle, digest)) for bundle, digest in coming]
        try:
            results = await asyncio.gather(*loading, return_exceptions=True)
            errors = [result for result in results if isinstance(result, BaseException)]
            broken = [error for error in errors if isinstance(error, BundleError)]
            if broken:
                raise BundleError(*(problem for error in broken for problem in error.problems))
            for error in errors:
                raise error
        except BaseException:
            for result in await asyncio.gather(*loading, return_exceptions=True):
                if isinstance(result, LoadedVersion):
                    await self._engines.abandon_one(result.engines)
            raise
        return [task.result() for task in loading]

    async def _load(self, bundle: Bundle, glossaries_digest: str) -> LoadedVersion:
        """Load a bundle, up to where it could answer. Raises BundleError or OSError."""
        engines = await self._engines.start(self._config, bundle)
        try:
            served = await asyncio.to_thread(self._open, bundle, engines.pool)
            await engines.wait_until_loaded()
        except BaseException:
            await self._engines.abandon_one(engines)
            raise
        return LoadedVersion(bundle, served, engines, glossaries_digest)

    def _open(self, bundle: Bundle, engine: SentenceDecoder) -> ServedModel:
        """All but the engine, which is loaded meanwhile. Raises BundleError."""
        backlog = Backlog(self._config.max_delay_milliseconds / 1000)
        glossaries = read_glossaries(bundle)
        model = ServedModel(bundle.manifest, open_tokenizers(bundle), engine, backlog, glossaries)
        model.prepare()
        return model

    def _serve(self, model: LoadedModel) -> list[asyncio.Task[None]]:
        """Let requests choose from these versions of a model from now on, and let go all that are served no longer, see
        `_let_go`."""
        name = next(iter(model.versions.values())).bundle.manifest.name
        before = self._by_name[name].versions if name in self._by_name else {}
        self._by_name[name] = model
        self.models.put(ModelVersions({v: loaded.served for v, loaded in model.versions.items()}, model.policy))
        for loaded in model.versions.values():
            self._metrics.know(loaded.bundle.manifest)
        return self._let_go(loaded for loaded in before.values() if loaded not in model.versions.values())

    def _take_out(self, name: str, version: str = "") -> list[asyncio.Task[None]]:
        """Let requests choose a version no longer, or a whole model, and let it go, see `_let_go`. Raises Refused."""
        model = self._by_name[name]
        rest = {other: loaded for other, loaded in model.versions.items() if version and other != version}
        if not rest and name in self._config.default_models:
            raise Refused(f"{name} is a default model, and has to be served")
        if rest and (labels := [label for label, labelled in model.policy.labels.items() if labelled == version]):
            raise Refused(f"{name}{SEPARATOR}{version} is served as {', '.join(labels)}; change its labels first")
        if rest:
            return self._serve(LoadedModel(model.policy, rest))
        del self._by_name[name]
        self.models.remove(name)
        return self._let_go(model.versions.values())

    def _let_go(self, going: Iterable[LoadedVersion]) -> list[asyncio.Task[None]]:
        """End versions that requests choose no more; returns the tasks that do it."""
        tasks = [asyncio.create_task(self._end(loaded)) for loaded in going]
        for task in tasks:
            self._keep(task)
        self._on_change()
        return tasks

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._going.add(task)
        task.add_done_callback(self._forget_task)

    def _forget_task(self, task: asyncio.Task[None]) -> None:
        """Let go of what refers to a version that has ended, also where it is a circle of objects; those of the start
        are not looked through, so that it takes a millisecond or two."""
        self._going.discard(task)
        gc.collect()

    async def _end(self, loaded: LoadedVersion) -> None:
        """End the engines of a version once no request needs them, or after the time that calls have at the most."""
        uses = loaded.served.uses
        try:
            await asyncio.wait_for(uses.wait_until_none(), self._config.max_call_seconds)
        except TimeoutError:
            _logger.warning("%s still has requests, and ends all the same", loaded)
        await self._engines.close_one(loaded.engines)
        _logger.info("%s is unloaded", loaded)
        self._keep(asyncio.create_task(self._forget(loaded)))

    async def _forget(self, loaded: LoadedVersion) -> None:
        """Show the series of a version until the last request has ended, which may be a stream that nobody reads."""
        await loaded.served.uses.wait_until_none()
        manifest = loaded.bundle.manifest
        model = self._by_name.get(manifest.name)
        if model is None or manifest.version not in model.versions:
            self._metrics.forget(manifest)


def _log_problems(problems: Iterable[str]) -> None:
    for problem in problems:
        _logger.error("what runs stays as it is: %s", problem)


def _listed(problems: Sequence[str]) -> str:
    """As many problems as a message has room for; the log has all of them."""
    text = "; ".join(problems)
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}… ({len(problems)} problems, see the log)"


def _shown(name: str, version: str) -> str:
    return f"model {name + SEPARATOR + version if version else name!r}"
