"""The files of a native Marian model: in an OPUS-MT zip, and where a training has left them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from export.checkpoints.flat_yaml import NotFlatYaml, Settings, parse_flat_yaml

DECODER = "decoder.yml"
_PIECES = (
    ("source.spm", "src.spm", "srcvocab.spm", "spm.src.model"),
    ("target.spm", "trg.spm", "trgvocab.spm", "spm.trg.model"),
)
"""Names of the SentencePiece models of source and target, beside vocabularies that only name pieces."""


@dataclass(frozen=True, kw_only=True)
class MarianFiles:
    """What was found of a model; None for what was not."""

    model: Path | None
    vocabularies: tuple[Path, Path] | None
    """Of source and target, `.spm` or names of pieces."""
    pieces: tuple[Path, Path] | None
    """The SentencePiece models of source and target."""
    decoding: Mapping[str, str]
    """How its maker decodes: beam-size, normalize and word-penalty, where they are said."""
    is_aligned: bool
    """Whether a head was trained to align (guided alignment), as far as the folder says."""
    languages: tuple[str, str] | None
    """Source and target, where the names of the files say them."""


def models_of(folder: Path) -> list[Path]:
    """Every `.npz` of a folder that may hold a model, by name."""
    return [path for path in sorted(folder.glob("*.npz")) if not path.name.endswith(".optimizer.npz")]


def find_files(folder: Path, problems: list[str]) -> MarianFiles:
    """What a `decoder.yml` names, or what is there once; what is missing, or there twice, becomes a problem."""
    decoder = _decoder(folder, problems)
    settings = _settings(decoder, problems) if decoder else {}
    model = _model(folder, settings, decoder, problems)
    training = _settings(folder / f"{model.name}.yml", []) if model else {}
    vocabularies = _vocabularies(folder, settings or training, decoder, problems)
    return MarianFiles(
        model=model,
        vocabularies=vocabularies,
        pieces=_pieces(folder, vocabularies, problems),
        decoding={key: text(settings[key]) for key in ("beam-size", "normalize", "word-penalty") if key in settings},
        is_aligned=_is_aligned(folder, training),
        languages=None,
    )


def text(value: str | tuple[str, ...]) -> str:
    return value if isinstance(value, str) else ", ".join(value)


def _decoder(folder: Path, problems: list[str]) -> Path | None:
    if (folder / DECODER).is_file():
        return folder / DECODER
    found = sorted(folder.glob("*.decoder.yml"))
    if len(found) > 1:
        problems.append(f"{_names(found)}: one of them expected: copy the one that is meant to {DECODER}")
    return found[0] if len(found) == 1 else None


def _settings(path: Path, problems: list[str]) -> Settings:
    try:
        return parse_flat_yaml(path.read_bytes().decode())
    except (OSError, UnicodeDecodeError, NotFlatYaml) as error:
        problems.append(f"{path.name}: {error}")
        return {}


def _model(folder: Path, settings: Settings, decoder: Path | None, problems: list[str]) -> Path | None:
    if "models" in settings and decoder is not None:
        names = _list(settings["models"])
        if len(names) != 1:
            problems.append(f"{decoder.name}: models: one expected, not an ensemble, got {', '.join(names) or 'none'}")
            return None
        return _beside(folder, names[0], f"{decoder.name}: models", problems)
    found = models_of(folder)
    if len(found) == 1:
        return found[0]
    if not problems:
        problems.append(f"one .npz expected, or a {DECODER} that names it, got {_names(found)}")
    return None


def _vocabularies(
    folder: Path, settings: Settings, decoder: Path | None, problems: list[str]
) -> tuple[Path, Path] | None:
    if "vocabs" in settings:
        where = f"{decoder.name}: vocabs" if decoder is not None else "vocabs"
        names = _list(settings["vocabs"])
        if len(names) != 2:
            problems.append(f"{where}: two expected, of source and target, got {', '.join(names) or 'none'}")
            return None
        source, target = (_beside(folder, name, where, problems) for name in names)
        return (source, target) if source is not None and target is not None else None
    for pattern in ("*.spm", "*vocab.yml"):
        found = sorted(folder.glob(pattern))
        if len(found) == 1:
            return found[0], found[0]
    source, target = (_first(folder, names) for names in _PIECES)
    if source is not None and target is not None and not list(folder.glob("*vocab.yml")):
        return source, target
    problems.append(f"vocabularies: a {DECODER} that names those of source and target expected")
    return None


def _pieces(folder: Path, vocabularies: tuple[Path, Path] | None, problems: list[str]) -> tuple[Path, Path] | None:
    if vocabularies is None:
        return None
    only = [path for path in folder.glob("*.spm") if not any(path.name in names for names in _PIECES)]
    found: list[Path] = []
    for vocabulary, names in zip(vocabularies, _PIECES, strict=True):
        path = vocabulary if vocabulary.suffix == ".spm" else _first(folder, names)
        if path is None and len(only) == 1:
            path = only[0]
        if path is None:
            bpe = " (subword-nmt's .bpe is not supported)" if list(folder.glob("*.bpe")) else ""
            problems.append(f"{names[0]}: the SentencePiece model beside {vocabulary.name} is missing{bpe}")
        else:
            found.append(path)
    return (found[0], found[1]) if len(found) == 2 else None


def _beside(folder: Path, name: str, where: str, problems: list[str]) -> Path | None:
    """A file that is named relative to wherever its maker had it, and is in the folder now."""
    path = folder / PurePosixPath(name.replace("\\", "/")).name
    if path.is_file():
        return path
    problems.append(f"{where}: {name} is not in {folder.name}")
    return None


def _first(folder: Path, names: Iterable[str]) -> Path | None:
    return next((folder / name for name in names if (folder / name).is_file()), None)


def _is_aligned(folder: Path, training: Settings) -> bool:
    if text(training.get("guided-alignment", "none")) not in ("none", ""):
        return True
    readme = folder / "README.md"
    return readme.is_file() and "transformer-align" in readme.read_text("utf-8", "replace")


def _list(value: str | tuple[str, ...]) -> tuple[str, ...]:
    return value if isinstance(value, tuple) else (value,) if value else ()


def _names(paths: Iterable[Path]) -> str:
    return ", ".join(path.name for path in paths) or "none"
