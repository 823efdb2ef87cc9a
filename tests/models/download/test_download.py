"""Downloads from a real HTTP server on this machine."""

import gzip
import io
import tarfile
import threading
from collections.abc import Iterator, Mapping
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from models.data.corpora import CorpusError, Origin, Source, all_sources, read_corpus
from models.data.download.archives import Archives, Commit
from models.data.download.formats import FORMATS
from models.data.download.pair import Pair
from models.data.download.parts import pair_hash, split, split_block
from models.data.download.run import WITHOUT_ARCHIVE, describe, download
from models.data.held_out import sentence_hash

COMMIT = "0123456789abcdef0123456789abcdef01234567"
REPOSITORY = Commit("https://github.com/somebody/something", COMMIT)


class CountingHandler(SimpleHTTPRequestHandler):
    def __init__(self, *arguments: Any, requests: list[str], **options: Any) -> None:
        self.requests = requests
        super().__init__(*arguments, **options)

    def do_GET(self) -> None:
        self.requests.append(self.path)
        super().do_GET()

    def log_message(self, *_: object) -> None:
        """Nothing."""


class Site:
    """A served folder of archives."""

    def __init__(self, folder: Path, url: str, requests: list[str]) -> None:
        self.folder = folder
        self.url = url
        self.requests = requests
        """Paths that were asked for, so far."""

    def add(
        self,
        files: Mapping[str, str],
        links: Mapping[str, str] | None = None,
        comment: str = COMMIT,
        at: Commit = REPOSITORY,
    ) -> None:
        """Put an archive where GitHub has it, made as `git archive` makes it."""
        path = self.folder / at.url.removeprefix("https://github.com/") / "tar.gz" / at.commit
        path.parent.mkdir(parents=True, exist_ok=True)
        with tarfile.open(path, "w:gz", format=tarfile.PAX_FORMAT, pax_headers={"comment": comment}) as archive:
            for name, text in files.items():
                member = tarfile.TarInfo(f"something-{at.commit}/{name}")
                member.size = len(text.encode())
                archive.addfile(member, io.BytesIO(text.encode()))
            for name, target in (links or {}).items():
                member = tarfile.TarInfo(f"something-{at.commit}/{name}")
                member.type = tarfile.SYMTYPE
                member.linkname = target
                archive.addfile(member)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    folder = tmp_path / "site"
    folder.mkdir()
    requests: list[str] = []
    handler = partial(CountingHandler, requests=requests, directory=folder)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        yield Site(folder, f"http://127.0.0.1:{server.server_port}", requests)
        server.shutdown()


def source(folder: str, parts: tuple[str, ...] = ("train",), **origin: Any) -> Source:
    """Of lines in `a.en` and `a.fr`, unless told otherwise."""
    settings: dict[str, Any] = {
        "format": "lines",
        "url": REPOSITORY.url,
        "commit": COMMIT,
        "english": ("a.en",),
        "french": ("a.fr",),
    }
    return Source(
        domain="everyday",
        folder=folder,
        parts=parts,
        licence="CC0",
        title="A title",
        terms=(),
        origin=Origin(**{**settings, **origin}),
    )


LINES = {"a.en": "Go on now.\nCome here.\nGo on now!\n", "a.fr": "Continue\u202f!\nViens ici.\ncontinue\n"}


# Archives


def test_only_what_is_wanted_is_unpacked_and_links_are_followed(site: Site, tmp_path: Path) -> None:
    site.add(
        {"data/a.en": "A\n", "other/b.en": "B\n", "readme": ""},
        {"sets/c.en": "../data/a.en", "sets/d.en": "../../../../etc/passwd", "sets/e.en": "/etc/passwd"},
    )
    unpacked = Archives(tmp_path, {REPOSITORY: {"sets", "data"}}, site.url).unpacked(REPOSITORY)
    assert (unpacked / "sets" / "c.en").read_text() == "A\n"
    assert sorted(path.name for path in unpacked.rglob("*.en")) == ["a.en", "c.en"]
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".gz"] == []


def test_an_archive_is_fetched_once(site: Site, tmp_path: Path) -> None:
    site.add({"a": ""})
    archives = Archives(tmp_path, {REPOSITORY: {"a"}}, site.url)
    assert archives.unpacked(REPOSITORY) == archives.unpacked(REPOSITORY)
    assert len(site.requests) == 1


def test_an_archive_of_another_commit_is_refused_and_not_fetched_again(site: Site, tmp_path: Path) -> None:
    site.add({"a": ""}, comment="f" * 40)
    archives = Archives(tmp_path, {REPOSITORY: {"a"}}, site.url)
    for _ in range(2):
        with pytest.raises(CorpusError, match="no archive of this commit"):
            archives.unpacked(REPOSITORY)
    assert len(site.requests) == 1


def test_what_is_no_archive_is_refused(site: Site, tmp_path: Path) -> None:
    path = site.folder / "somebody" / "something" / "tar.gz" / COMMIT
    path.parent.mkdir(parents=True)
    path.write_bytes(b"<html>moved</html>")
    with pytest.raises(CorpusError, match=r"somebody/something/tar\.gz/0123"):
        Archives(tmp_path, {REPOSITORY: {"a"}}, site.url).unpacked(REPOSITORY)


def test_half_an_archive_is_refused(site: Site, tmp_path: Path) -> None:
    site.add({name: "text\n" * 9_999 + name for name in "abc"})
    path = site.folder / "somebody" / "something" / "tar.gz" / COMMIT
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(CorpusError, match="somebody/something"):
        Archives(tmp_path, {REPOSITORY: {"a"}}, site.url).unpacked(REPOSITORY)


# Splitting


def test_pairs_are_cleaned_and_each_is_kept_once() -> None:
    found = [
        Pair("Go\u00a0on.", "Va !"),
        Pair("go on", "va."),
        Pair("Go on.", "Allez !"),
        Pair("It is 3.", "Il est 4."),
    ]
    parts = split(found, (), {pair_hash(Pair("Go on!", "Allez."))}, of_blocks=False)
    assert parts.train == [("Go on.", "Va !")]
    assert describe(parts) == "train 1; left out: 2 double, 1 other numbers"


def test_no_pair_with_a_held_out_side_is_trained_on() -> None:
    held_out = {sentence_hash(text) for text in ("he went out at once", "il sortit tout de suite", "merci")}
    found = [
        Pair("He went out, at once.", "Il sortit tout de suite !"),
        Pair("He went out at once!", "Il sortit aussitôt."),
        Pair("HE WENT OUT at once", "il sortit tout de suite"),
        Pair("He went out at once!", "Il est parti tout de suite."),
        Pair("He left right then.", "Il sortit tout de suite."),
        Pair("Thank you.", "Merci."),
        Pair("He stayed in there.", "Il y resta."),
    ]
    parts = split(found, held_out, (), of_blocks=False)
    assert parts.test == [
        ("He went out, at once.", "Il sortit tout de suite !"),
        ("He went out at once!", "Il sortit aussitôt."),
    ]
    assert parts.train == [("Thank you.", "Merci."), ("He stayed in there.", "Il y resta.")]
    assert parts.left_out == {"held out": 2, "double": 1}


BLOCK = Pair("He went out at once. She stayed in there.", "Il sortit tout de suite. Elle resta là-dedans.")


def held(*sentences: str) -> set[int]:
    return {sentence_hash(sentence) for sentence in sentences}


def test_blocks_are_split_where_both_sides_have_as_many_sentences() -> None:
    assert split_block(BLOCK, ()) == [
        ("He went out at once.", "Il sortit tout de suite."),
        ("She stayed in there.", "Elle resta là-dedans."),
    ]
    joined = Pair(BLOCK.english, "Il sortit tout de suite, elle resta là-dedans.")
    assert split_block(joined, ()) == [joined]


def test_a_block_of_a_test_is_not_trained_on_sentence_by_sentence() -> None:
    for side in BLOCK:
        parts = split([BLOCK], held(side), (), of_blocks=True)
        assert not parts.train
        assert parts.left_out == {"held out": 1}
    assert split([BLOCK], held(*BLOCK), (), of_blocks=True).test == [BLOCK]


def test_a_sentence_of_a_test_is_not_trained_on_within_a_block() -> None:
    held_out = held("He went out at once", "Il sortit tout de suite")
    assert split([BLOCK], held_out, (), of_blocks=True).train == [("She stayed in there.", "Elle resta là-dedans.")]
    joined = Pair(BLOCK.english, "Il sortit tout de suite, elle resta là-dedans.")
    parts = split([joined], held_out, (), of_blocks=True)
    assert not parts.train + parts.test
    assert parts.left_out == {"held out": 1}


# Whole runs


def test_a_corpus_is_downloaded_cleaned_and_readable(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    site.add(LINES)
    data = tmp_path / "data"
    sources = {"tatoeba2019": source("more/tatoeba2019")}
    assert download(data, ["tatoeba2019"], sources, site.url) == []
    corpus = read_corpus(data, "tatoeba2019", "train")
    assert corpus.sources == ["Go on now.", "Come here."]
    assert corpus.targets == ["Continue !", "Viens ici."]
    assert "tatoeba2019: train 2; left out: 1 double" in capsys.readouterr().out
    assert [path.name for path in data.iterdir()] == ["more"]


def test_what_is_there_is_not_fetched_again(site: Site, tmp_path: Path) -> None:
    site.add(LINES)
    sources = {"a": source("a")}
    for _ in range(2):
        assert download(tmp_path / "data", ["a"], sources, site.url) == []
    assert len(site.requests) == 1


def test_a_benchmark_keeps_every_line_in_its_order(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site.add({"a.en": LINES["a.en"] + "Nobody has held this out.\n", "a.fr": LINES["a.fr"] + "Rien.\n"})
    assert download(tmp_path / "data", ["flores"], {"flores": source("more/flores", ("test",))}, site.url) == []
    assert read_corpus(tmp_path / "data", "flores", "test").targets == ["Continue !", "Viens ici.", "continue", "Rien."]
    assert "flores: 1 pairs of the test are not held out yet" in capsys.readouterr().out


def test_pairs_of_an_earlier_source_are_not_taken_again(site: Site, tmp_path: Path) -> None:
    site.add(LINES | {"b.en": "Come here!\nStay there.\n", "b.fr": "viens ici\nReste là.\n"})
    sources = {
        "tatoeba2019": source("more/tatoeba2019"),
        "tatoeba2021": source("more/tatoeba2021", english=("b.en",), french=("b.fr",)),
    }
    assert download(tmp_path / "data", [*sources], sources, site.url) == []
    assert read_corpus(tmp_path / "data", "tatoeba2021", "train").sources == ["Stay there."]
    assert len(site.requests) == 1


def test_both_sides_may_be_in_repositories_of_their_own(site: Site, tmp_path: Path) -> None:
    other = Commit("https://github.com/somebody/upstream", "f" * 40)
    site.add({"a.fr": LINES["a.fr"]})
    site.add({"a.en": LINES["a.en"]}, comment=other.commit, at=other)
    sources = {"a": source("a", english_url=other.url, english_commit=other.commit)}
    assert download(tmp_path / "data", ["a"], sources, site.url) == []
    assert gzip.decompress((tmp_path / "data" / "a" / "train.en.gz").read_bytes()) == b"Go on now.\nCome here.\n"


def test_what_fails_is_told_with_its_url_and_folder_and_the_rest_is_kept(site: Site, tmp_path: Path) -> None:
    site.add(LINES)
    gone = Commit("https://github.com/somebody/gone", "e" * 40)
    sources = {
        "osguide": source("more/osguide", ("train", "test"), url=gone.url, commit=gone.commit),
        "renpy": source("more/renpy"),
        "diabla": source("more/diabla", english=("c.en",)),
        "storybooks": source("more/storybooks", ("test", "train")),
    }
    data = tmp_path / "data"
    failures = download(data, [*sources], sources, site.url)
    assert [failure.partition(":")[0] for failure in failures] == ["osguide", "diabla", "storybooks"]
    assert f"{site.url}/somebody/gone/tar.gz/{gone.commit} cannot be downloaded: HTTP Error 404" in failures[0]
    assert f"train.en.gz and train.fr.gz, test.en.gz and test.fr.gz go into {data / 'more' / 'osguide'}" in failures[0]
    assert f"https://github.com/somebody/something has no c.en at {COMMIT}" in failures[1]
    assert "no pair for test found" in failures[2]
    assert sorted(path.name for path in (data / "more").iterdir()) == ["renpy"]


def test_files_that_are_not_as_expected_stop_no_other_corpus(site: Site, tmp_path: Path) -> None:
    site.add(LINES | {"a.json": '[{"dialogue": [{"user_utterance": "Hi."}]}]'})
    sources = {
        "risawoz": source("more/risawoz", ("test",), format="risawoz", english=("a.json",), french=("a.json",)),
        "renpy": source("more/renpy", format="lines"),
    }
    failures = download(tmp_path / "data", [*sources], sources, site.url)
    assert len(failures) == 1
    assert failures[0].startswith("risawoz: its files are not as expected: KeyError('dialogue_id')")
    assert (tmp_path / "data" / "more" / "renpy" / "train.fr.gz").exists()


def test_a_corpus_that_cannot_be_downloaded_says_why(tmp_path: Path) -> None:
    sources = all_sources()
    local = [name for name, each in sources.items() if each.origin is None]
    failures = download(tmp_path, local)
    assert len(failures) == len(local)
    for name, failure in zip(local, failures, strict=True):
        assert failure.startswith(f"{name}: {sources[name].local_only}. If you have it: train.en.gz")


# The table


def test_every_source_has_an_origin_of_a_known_format_or_a_reason_for_none() -> None:
    for name, each in all_sources().items():
        assert (each.origin is None) == bool(each.local_only), name
        if each.origin:
            assert each.origin.format in FORMATS.keys() | WITHOUT_ARCHIVE.keys(), name


def test_every_archive_is_pinned_by_a_whole_commit() -> None:
    for name, each in all_sources().items():
        if each.origin and each.origin.format in FORMATS:
            commits = [each.origin.commit, *([each.origin.english_commit] if each.origin.english_url else [])]
            assert all(len(commit) == 40 and int(commit, 16) for commit in commits), name
            assert each.origin.french, name


def test_who_is_to_be_named_is_known_where_a_licence_asks_for_it() -> None:
    for name, each in all_sources().items():
        assert each.attribution or "attribution" not in each.terms, name
        assert each.licence, name


def test_what_is_for_tests_only_has_no_training_text() -> None:
    for name, each in all_sources().items():
        assert ("test-only" in each.terms) == ("train" not in each.parts), name
