"""Downloads one source after the other; what fails is told at the end, and the rest is kept."""

import tempfile
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from models.data.corpora import CorpusError, Origin, Source, all_sources, read_corpus
from models.data.download.archives import ARCHIVES_URL, Archives, Commit
from models.data.download.formats import FORMATS
from models.data.download.multi30k import download_multi30k
from models.data.download.pair import Pair
from models.data.download.parts import PairHash, Parts, count_trainable, keep_all, pair_hash, split, write_parts
from models.data.download.tatoeba import download_tatoeba
from models.data.held_out import read_test_hashes

WITHOUT_ARCHIVE = {"multi30k": download_multi30k, "tatoeba": download_tatoeba}
"""Format -> downloads a corpus that is no archive of a commit into its folder."""


def download(
    data: Path, names: Sequence[str], sources: dict[str, Source] | None = None, archives_url: str = ARCHIVES_URL
) -> list[str]:
    """Download the named sources that are not below `data` yet. Returns what could not be had, a sentence each."""
    sources = sources or all_sources()
    missing = {name: sources[name] for name in names if not is_there(data, sources[name])}
    failures: list[str] = []
    data.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=data, prefix=".download-") as unpacked:
        archives = Archives(Path(unpacked), _wanted(missing.values()), archives_url)
        for name, source in missing.items():
            try:
                _download(data, name, sources, archives)
            except CorpusError as error:
                failures.append(f"{name}: {error}. {_advise(data, source)}")
            except (OSError, ValueError, LookupError) as error:
                failures.append(f"{name}: its files are not as expected: {error!r}. {_advise(data, source)}")
    return failures


def _advise(data: Path, source: Source) -> str:
    files = ", ".join(f"{part}.en.gz and {part}.fr.gz" for part in source.parts)
    return f"If you have it: {files} go into {data / source.folder}"


def is_there(data: Path, source: Source) -> bool:
    return all((data / source.folder / f"{part}.{language}.gz").exists() for part in source.parts for language in _BOTH)


_BOTH = ("en", "fr")


def _wanted(sources: Collection[Source]) -> dict[Commit, set[str]]:
    """Paths in each repository that some source needs."""
    wanted: dict[Commit, set[str]] = {}
    for source in sources:
        origin = source.origin
        if origin and origin.commit:
            english, french = _commits(origin)
            wanted.setdefault(english, set()).update(origin.english, origin.links)
            wanted.setdefault(french, set()).update(origin.french, origin.links)
    return wanted


def _commits(origin: Origin) -> tuple[Commit, Commit]:
    """Of the English and of the French side."""
    french = Commit(origin.url, origin.commit)
    return (Commit(origin.english_url, origin.english_commit) if origin.english_url else french), french


def _download(data: Path, name: str, sources: dict[str, Source], archives: Archives) -> None:
    source = sources[name]
    if source.origin is None:
        raise CorpusError(source.local_only)
    if source.origin.format in WITHOUT_ARCHIVE:
        WITHOUT_ARCHIVE[source.origin.format](data / source.folder)
        return
    english, french = _commits(source.origin)
    places = [
        [_place(archives.unpacked(commit), path, commit) for path in paths]
        for commit, paths in ((english, source.origin.english), (french, source.origin.french))
    ]
    read, of_blocks = FORMATS[source.origin.format]
    found = read(*places)
    held_out = read_test_hashes()
    if "train" in source.parts:
        parts = split(found, held_out, set(_known_pairs(data, name, sources)), of_blocks=of_blocks)
    else:
        parts = keep_all(found)
    write_parts(data / source.folder, {part: getattr(parts, part) for part in source.parts})
    print(f"{name}: {describe(parts)}")
    if num_trainable := count_trainable(parts.test, held_out):
        print(f"{name}: {num_trainable:,} pairs of the test are not held out yet: run python -m models.data.held_out")


def _place(folder: Path, path: str, commit: Commit) -> Path:
    if not (folder / path).exists():
        raise CorpusError(f"{commit.url} has no {path} at {commit.commit}")
    return folder / path


def _known_pairs(data: Path, name: str, sources: dict[str, Source]) -> Iterator[PairHash]:
    """Training pairs of the sources before this one in the table, as far as they are there."""
    for earlier, source in sources.items():
        if earlier == name:
            return
        if "train" in source.parts and is_there(data, source):
            corpus = read_corpus(data, earlier, "train")
            yield from (pair_hash(Pair(*sides)) for sides in zip(corpus.sources, corpus.targets, strict=True))


def describe(parts: Parts) -> str:
    """Such as `train 3,970, test 500; left out: 210 code, 34 double`."""
    made = ", ".join(f"{part} {len(getattr(parts, part)):,}" for part in ("train", "test") if getattr(parts, part))
    dropped = ", ".join(f"{number:,} {reason}" for reason, number in parts.left_out.most_common())
    return f"{made}; left out: {dropped}" if dropped else made
