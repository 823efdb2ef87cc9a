"""Files through LibreTranslate's API: what is not text stays as it is."""

import asyncio
import tempfile
from pathlib import Path
from typing import Any

import pytest
import requests

from gateway.libretranslate.downloads import Downloads
from gateway.libretranslate.file_formats import FORMATS
from tests.e2e.processes import ServerProcess
from tests.gateway.running import gateway_here

SUBTITLES = """1
00:00:01,000 --> 00:00:02,500
{\\an8}A dog
sleeps.

2
00:00:03,000 --> 00:00:04,000
- A dog sleeps.
- <i>A dog sleeps.</i>
"""


def translated(url: str, name: str, content: bytes) -> tuple[int, Any]:
    form = {"source": "en", "target": "fr"}
    answer = requests.post(f"{url}/translate_file", data=form, files={"file": (name, content)}, timeout=30)
    if answer.status_code != 200:
        return answer.status_code, answer.json()["error"]
    address = answer.json()["translatedFileUrl"]
    assert address.startswith(f"{url}/download_file/")
    file = requests.get(address, timeout=30)
    assert file.headers["content-disposition"].startswith("attachment")
    return file.status_code, file.content.decode()


def test_texts_keep_their_lines(url: str) -> None:
    assert translated(url, "a.txt", b"\xef\xbb\xbfA dog sleeps.\r\n\r\n  A dog sleeps.\n") == (
        200,
        "\ufeffUn chien dort.\r\n\r\n  Un chien dort.\n",
    )


def test_subtitles_keep_their_times_and_speakers(url: str) -> None:
    expected = SUBTITLES.replace("A dog\nsleeps.", "Un chien dort.").replace("A dog sleeps.", "Un chien dort.")
    assert translated(url, "film.SRT", SUBTITLES.encode()) == (200, expected)


def test_html_keeps_its_tags(url: str) -> None:
    assert translated(url, "../a b.html", b"<p class='x'>A dog sleeps.</p>") == (200, "<p class='x'>Un chien dort.</p>")


def test_a_long_text_is_translated_in_pieces(url: str) -> None:
    status, text = translated(url, "long.txt", b"A dog sleeps.\n" * 1500)
    assert (status, text) == (200, "Un chien dort.\n" * 1500)


async def test_a_large_file_needs_no_disk(
    server: ServerProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    blank = "\n" * 1_100_000
    async with gateway_here(server.address) as url:
        answer = await asyncio.to_thread(translated, url, "long.txt", f"{blank}A dog sleeps.".encode())
    assert answer == (200, f"{blank}Un chien dort.")


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("a.pdf", b"x", "file: a name that ends with one of .txt, .srt, .html expected, got 'a.pdf'"),
        ("a.txt", b"x\xff", "file: UTF-8 expected, got 0xff at byte 2"),
    ],
)
def test_a_wrong_file_is_named(url: str, name: str, content: bytes, problem: str) -> None:
    assert translated(url, name, content) == (400, f"Invalid request: {problem}")


def test_a_file_that_is_not_kept_is_not_found(url: str) -> None:
    assert requests.get(f"{url}/download_file/x.a.txt", timeout=30).status_code == 404
    answer = requests.post(f"{url}/translate_file", data={"source": "en", "target": "fr"}, timeout=30)
    assert answer.json() == {"error": "Invalid request: missing file parameter"}


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize(
    "text", ["", "\n", SUBTITLES, SUBTITLES.replace("\n", "\r\n"), "1\n00:00:01,0 --> x", "a\n\n1"]
)
def test_parts_without_translation_are_the_file(ending: str, text: str) -> None:
    parted = "".join(part.text for part in FORMATS[ending].parts(text, 7))
    assert parted.split() == text.split()
    if ending != ".srt":
        assert parted == text


def test_the_oldest_files_go_first_and_all_go_after_half_an_hour() -> None:
    now = [0.0]
    downloads = Downloads(100, lambda: now[0])
    first, second = (downloads.keep("a.txt", b"x" * 50, "text/plain") for _ in range(2))
    assert downloads.get(first)
    assert downloads.get(second)
    third = downloads.keep("a.txt", b"x" * 50, "text/plain")
    assert not downloads.get(first)
    assert downloads.get(second)
    now[0] = 1801.0
    assert not downloads.get(third)
    downloads.keep("a.txt", b"", "text/plain")
    assert len(downloads._kept) == 1
