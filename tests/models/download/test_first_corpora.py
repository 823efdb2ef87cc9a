"""Multi30k and Tatoeba, from a real HTTP server on this machine."""

import gzip
import hashlib
import io
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from models.data.corpora import CorpusError, read_corpus
from models.data.download import multi30k, tatoeba
from models.data.download.multi30k import download_multi30k
from models.data.download.tatoeba import download_tatoeba, sentence_hash, split_tatoeba

PAIRS = [
    ("Go.", "Va !"),
    ("Go.", "Marche."),
    ("Hi.", "Salut !"),
    ("Hello.", "Salut !"),
    ("Run.", "Cours !"),
    ("Stop.", "Arrête !"),
]
SPLIT = f"val\t{sentence_hash('Hi.')}\ntest\t{sentence_hash('Go.')}\n"


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A served folder, and its URL."""
    folder = tmp_path / "site"
    folder.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=folder)) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        yield folder, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def archive(folder: Path, pairs: list[tuple[str, str]]) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr("fra.txt", "".join(f"{english}\t{french}\tCC-BY 2.0\n" for english, french in pairs))
    (folder / "fra-eng.zip").write_bytes(packed.getvalue())


def test_files_are_checked_against_their_pinned_text(
    site: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, url = site
    text = b"Go.\n"
    (folder / "val.en.gz").write_bytes(gzip.compress(text))
    monkeypatch.setattr(multi30k, "SHA256", {"val.en": hashlib.sha256(text).hexdigest()})
    download_multi30k(tmp_path / "data", url)
    assert gzip.decompress((tmp_path / "data" / "val.en.gz").read_bytes()) == text
    monkeypatch.setattr(multi30k, "SHA256", {"val.en": "0" * 64})
    with pytest.raises(CorpusError, match="SHA-256"):
        download_multi30k(tmp_path / "other", url)
    assert not (tmp_path / "other").exists()


def test_a_file_that_is_not_there_is_named(site: tuple[Path, str], tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"train\.en\.gz cannot be downloaded: HTTP Error 404"):
        download_multi30k(tmp_path / "data", site[1])


def test_the_archive_is_unpacked_split_and_readable(
    site: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, url = site
    archive(folder, PAIRS)
    (tmp_path / "split.tsv").write_text(SPLIT)
    monkeypatch.setattr(tatoeba, "SPLIT", tmp_path / "split.tsv")
    download_tatoeba(tmp_path / "data" / "tatoeba", f"{url}/fra-eng.zip")
    assert read_corpus(tmp_path / "data", "tatoeba", "test").references == [["Va !", "Marche."]]
    assert read_corpus(tmp_path / "data", "tatoeba", "train").sources == ["Run.", "Stop."]


def test_no_sentence_of_a_held_out_part_is_trained_on() -> None:
    files = split_tatoeba(PAIRS, SPLIT)
    assert files["train.en.gz"] == "Run.\nStop.\n"  # "Hello." shares its French sentence with "Hi." of val
    assert files["val.refs.tsv.gz"] == "Hi.\tSalut !\n"
    assert files["test.fr.gz"] == "Va !\n"


def test_something_else_than_an_archive_is_refused(site: tuple[Path, str], tmp_path: Path) -> None:
    folder, url = site
    (folder / "fra-eng.zip").write_bytes(b"<html>moved</html>")
    with pytest.raises(CorpusError, match="not a zip file"):
        download_tatoeba(tmp_path / "data", f"{url}/fra-eng.zip")


def test_a_line_separator_inside_a_sentence_is_no_line_end(
    site: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive(site[0], [*PAIRS[:-1], ("Stop.", "Arr\u2028ête !")])
    (tmp_path / "split.tsv").write_text(SPLIT)
    monkeypatch.setattr(tatoeba, "SPLIT", tmp_path / "split.tsv")
    download_tatoeba(tmp_path / "data" / "tatoeba", f"{site[1]}/fra-eng.zip")
    assert read_corpus(tmp_path / "data", "tatoeba", "train").targets == ["Cours !", "Arr\u2028ête !"]


def test_an_archive_without_the_pinned_sentences_is_refused() -> None:
    with pytest.raises(CorpusError, match="tatoeba/val: too few to be the same test"):
        split_tatoeba(PAIRS[:2], SPLIT)
