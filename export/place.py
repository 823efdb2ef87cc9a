"""The place of a bundle in the model repository: whose it is, and how a new bundle takes it, whole or not at all."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from export.errors import ExportError
from export.manifest import WEIGHTS_SHA256
from server.bundle.manifest import BundleError, Manifest, read_manifest


def check_place(bundle: Path, manifest: Manifest) -> None:
    """Raises ExportError where `bundle` holds another model than `manifest` describes: of another name, architecture,
    languages or weights, or one that cannot be read. The same model may be there, in any precision."""
    if not bundle.exists():
        return
    try:
        earlier = _identity(read_manifest(bundle))
    except BundleError as error:
        raise ExportError(f"the bundle that is there cannot be read, {error}; {_ways_out(bundle)}") from error
    differences = [
        f"{name} {earlier[name] or 'unknown'} is there, {value} would replace it"
        for name, value in _identity(manifest).items()
        if value != earlier[name]
    ]
    if differences:
        raise ExportError(f"{bundle} holds another model ({'; '.join(differences)}); {_ways_out(bundle)}")


def _identity(manifest: Manifest) -> dict[str, str]:
    return {
        "model": f"{manifest.name}/{manifest.version}",
        "architecture": manifest.architecture,
        "languages": "-".join(",".join(codes) for codes in (manifest.source_codes, manifest.target_codes)),
        "weights": manifest.provenance.get(WEIGHTS_SHA256, "")[:16],
    }


def _ways_out(bundle: Path) -> str:
    return f"export to another version than {bundle.name}, or replace it with --replace"


@contextmanager
def new_bundle(bundle: Path) -> Iterator[Path]:
    """An empty folder to build a bundle in, which takes its place in the end, in exchange for an earlier bundle.

    Where the body fails, the earlier bundle stays, and nothing else is left: neither what was built nor a folder that
    was made for it.
    """
    made = [folder for folder in bundle.parents if not folder.exists()]  # the innermost first
    bundle.parent.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(dir=bundle.parent, prefix=".export-") as name:
            folder = Path(name) / "bundle"
            folder.mkdir()
            yield folder
            if bundle.exists():
                bundle.rename(Path(name) / "replaced")
            folder.rename(bundle)
    except BaseException:
        with suppress(OSError):  # where somebody has put something else there meanwhile
            for folder in made:
                folder.rmdir()
        raise
