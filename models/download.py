"""Download the corpora where the network allows.

    python -m models.download [FOLDER]

Multi30k's files are pinned by the SHA-256 of their text. Tatoeba's archive at manythings.org grows from month to month
and cannot be pinned; what is pinned is the split: the sentences of val and test are known by their hashes, and train is
everything that shares no sentence with them.
"""

import argparse
import gzip
import hashlib
import io
import sys
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path

from tqdm import tqdm

from models.data.corpora import DEFAULT_FOLDER, CorpusError, data_folder

MULTI30K_URL = "https://raw.githubusercontent.com/multi30k/dataset/master/data/task1/raw"
MULTI30K_SHA256 = {
    "train.en": "460a15fbd157e34a7a9957ee388c1ca247fe47af3ef25fb50442af6c274e0fc6",
    "train.fr": "5925a3c18f1587b6b54b87743106e6e8ab93618edb6f65d19eac0621f853a10d",
    "val.en": "1f2a23d992769b5b3d209b0a10dd0b77c08cceb1f20dfb97ed0aafa49d107227",
    "val.fr": "5304e444d842e962b2dda4d816b70b22a1765b15401642b7ca37a67477e708dc",
    "test_2016_flickr.en": "399a4382932c1aadd3ceb9bef1008d388a64c76d4ae4e9d4728c6f4301cac182",
    "test_2016_flickr.fr": "cb3160d69b002bb638e66cc7612fcd56cb0af82eadc9c142dedc438afb885ef6",
    "test_2017_flickr.en": "ce1450ddc5ab0834502579d77a170849952e15a2938b34cc503bdc25ebb4fb98",
    "test_2017_flickr.fr": "6f3764e31dac41e9455e612958bcfd4e877c5e15cd66df2c2b2be6d9bd83e5b6",
    "test_2017_mscoco.en": "43051fdfa86fd5395182e718a94ca67b1b227b9f7c79596ff0f6b813216981d2",
    "test_2017_mscoco.fr": "39cde3f43f32b0a6bf29ce4917a46329ff32e53070c2fac87506695a740ae0a0",
}
"""File -> SHA-256 of its text, unpacked."""

TATOEBA_URL = "https://www.manythings.org/anki/fra-eng.zip"
TATOEBA_MEMBER = "fra.txt"
TATOEBA_SPLIT = Path(__file__).with_name("tatoeba_split.tsv")
"""Part, tab, `sentence_hash` of an English sentence; in the order of the part's lines."""

_CHUNK = 1 << 16

_SMALLEST_SHARE = 0.9
"""Share of a pinned part that has to be in today's archive: sentences are corrected there, and rarely taken out."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m models.download", description="Download the corpora.")
    parser.add_argument("folder", type=Path, nargs="?", help=f"(default: $SEQ2SERVE_DATA, else {DEFAULT_FOLDER})")
    arguments = parser.parse_args()
    folder = data_folder(arguments.folder)
    try:
        download_multi30k(folder / "multi30k")
        download_tatoeba(folder / "tatoeba")
    except CorpusError as error:
        sys.exit(f"error: {error}")


def download_multi30k(folder: Path, url: str = MULTI30K_URL) -> None:
    """Download every file that is not there already. Raises CorpusError for a file whose text is not the pinned one."""
    for name, expected in MULTI30K_SHA256.items():
        path = folder / f"{name}.gz"
        if path.exists():
            continue
        packed = fetch(f"{url}/{name}.gz")
        try:
            actual = hashlib.sha256(gzip.decompress(packed)).hexdigest()
        except (OSError, EOFError, zlib.error) as error:
            raise CorpusError(f"{url}/{name}.gz: {error}") from error
        if actual != expected:
            raise CorpusError(f"{url}/{name}.gz: SHA-256 of the text is {actual}, {expected} expected")
        write_whole(path, packed)


def download_tatoeba(folder: Path, url: str = TATOEBA_URL) -> None:
    """Download the archive, and split it as the pinned hashes say; does nothing if the folder has the train part
    already."""
    if (folder / "train.fr.gz").exists():
        return
    try:
        with zipfile.ZipFile(io.BytesIO(fetch(url))) as archive:
            text = archive.read(TATOEBA_MEMBER).decode("utf-8")
    except (zipfile.BadZipFile, KeyError, UnicodeDecodeError) as error:
        raise CorpusError(f"{url}: {error}") from error
    lines = [line.split("\t") for line in text.removesuffix("\n").split("\n")]
    short = next((line for line in lines if len(line) < 2), None)
    if short:
        raise CorpusError(f"{url}: two fields and a tab between them expected in each line, got {short[0]!r}")
    pairs = [(english, french) for english, french, *_ in lines]
    for name, content in split_tatoeba(pairs, TATOEBA_SPLIT.read_text(encoding="ascii")).items():
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


def fetch(url: str) -> bytes:
    """Download the whole of a URL, with a progress bar. Raises CorpusError."""
    content = io.BytesIO()
    # manythings.org refuses Python's own user agent.
    request = urllib.request.Request(url, headers={"User-Agent": "seq2serve"})
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            total = int(response.headers.get("Content-Length", 0)) or None
            with tqdm(total=total, unit="B", unit_scale=True, desc=url.rpartition("/")[2]) as bar:
                while chunk := response.read(_CHUNK):
                    content.write(chunk)
                    bar.update(len(chunk))
    except (OSError, urllib.error.URLError) as error:
        raise CorpusError(f"{url} cannot be downloaded: {error}") from error
    return content.getvalue()


def write_whole(path: Path, content: bytes) -> None:
    """Write a file by way of another beside it, so that there is never half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".part")
    unfinished.write_bytes(content)
    unfinished.replace(path)


def _lines(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


if __name__ == "__main__":
    main()
