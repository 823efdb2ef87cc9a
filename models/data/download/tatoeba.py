"""Tatoeba's English-French sentences, by way of manythings.org.

The archive grows from month to month and cannot be pinned; what is pinned is the split: the sentences of val and test
are known by their hashes, and train is everything that shares no sentence with them.
"""

import gzip
import hashlib
import io
import zipfile
from collections.abc import Iterable
from pathlib import Path

from models.data.corpora import CorpusError
from models.data.download.archives import fetch, write_whole

URL = "https://www.manythings.org/anki/fra-eng.zip"
_MEMBER = "fra.txt"
SPLIT = Path(__file__).with_name("tatoeba_split.tsv")
"""Part, tab, `sentence_hash` of an English sentence; in the order of the part's lines."""

_SMALLEST_SHARE = 0.9
"""Share of a pinned part that has to be in today's archive: sentences are corrected there, and rarely taken out."""


def download_tatoeba(folder: Path, url: str = URL) -> None:
    """Download the archive, and split it as the pinned hashes say; does nothing if the folder has the train part
    already."""
    if (folder / "train.fr.gz").exists():
        return
    try:
        with zipfile.ZipFile(io.BytesIO(fetch(url))) as archive:
            text = archive.read(_MEMBER).decode("utf-8")
    except (zipfile.BadZipFile, KeyError, UnicodeDecodeError) as error:
        raise CorpusError(f"{url}: {error}") from error
    lines = [line.split("\t") for line in text.removesuffix("\n").split("\n")]
    short = next((line for line in lines if len(line) < 2), None)
    if short:
        raise CorpusError(f"{url}: two fields and a tab between them expected in each line, got {short[0]!r}")
    pairs = [(english, french) for english, french, *_ in lines]
    for name, content in split_tatoeba(pairs, SPLIT.read_text(encoding="ascii")).items():
        write_whole(folder / name, gzip.compress(content.encode("utf-8"), mtime=0))


def split_tatoeba(pairs: Iterable[tuple[str, str]], split: str) -> dict[str, str]:
    """Split the archive's lines: file name -> text. An English sentence of val or test keeps all its translations in
    the file of references.

    Raises CorpusError where too little of val or test is there.
    """
    part_of = {digest: part for part, digest in (line.split("\t") for line in split.splitlines())}
    translations: dict[str, list[str]] = {}
    for english, french in pairs:
        translations.setdefault(english, []).append(french)
    parts: dict[str, dict[str, list[str]]] = {"val": {}, "test": {}}
    by_digest = {sentence_hash(english): english for english in translations}
    for digest, part in part_of.items():
        if digest in by_digest:
            parts[part][by_digest[digest]] = translations[by_digest[digest]]
    for part, sentences in parts.items():
        num_pinned = sum(pinned == part for pinned in part_of.values())
        print(f"tatoeba/{part}: {len(sentences)} of {num_pinned} pinned sentences found")
        if len(sentences) < _SMALLEST_SHARE * num_pinned:
            raise CorpusError(f"tatoeba/{part}: too few to be the same test; is this the English-French archive?")
    held_out = {french for sentences in parts.values() for every in sentences.values() for french in every}
    held_out |= {english for sentences in parts.values() for english in sentences}
    train = [
        (english, french)
        for english, every in translations.items()
        for french in every
        if english not in held_out and french not in held_out
    ]
    files = {"train.en.gz": _lines(pair[0] for pair in train)}
    for part, sentences in parts.items():
        files[f"{part}.en.gz"] = _lines(sentences)
        files[f"{part}.fr.gz"] = _lines(every[0] for every in sentences.values())
        files[f"{part}.refs.tsv.gz"] = _lines("\t".join([english, *every]) for english, every in sentences.items())
    return files | {"train.fr.gz": _lines(pair[1] for pair in train)}  # the last one says that all are there


def sentence_hash(sentence: str) -> str:
    return hashlib.sha256(sentence.encode("utf-8")).hexdigest()[:16]


def _lines(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
