"""Downloads over HTTP, and archives of pinned commits, unpacked as far as they are needed."""

import io
import tarfile
import urllib.error
import urllib.request
import zlib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, NamedTuple

from tqdm import tqdm

from models.data.corpora import CorpusError

ARCHIVES_URL = "https://codeload.github.com"
_HOST = "https://github.com/"

_CHUNK = 1 << 16
_TIMEOUT_S = 60


class Commit(NamedTuple):
    """A repository at one commit."""

    url: str
    """`https://github.com/<owner>/<repository>`."""
    commit: str
    """40 hexadecimal digits."""


class Archives:
    """Archives of commits, each downloaded and unpacked once, when its folder is first asked for."""

    def __init__(
        self, folder: Path, wanted: Mapping[Commit, Collection[str]], archives_url: str = ARCHIVES_URL
    ) -> None:
        """`folder`: where to unpack. `wanted`: paths in each repository; what is not under them is not unpacked."""
        self._folder = folder
        self._wanted = wanted
        self._archives_url = archives_url
        self._failed: dict[Commit, CorpusError] = {}

    def unpacked(self, commit: Commit) -> Path:
        """The repository's folder. Raises CorpusError where it cannot be downloaded or is no archive of that commit;
        that is not tried twice."""
        folder = self._folder / commit.commit
        if commit in self._failed:
            raise self._failed[commit]
        if not folder.exists():
            try:
                self._unpack(commit, folder)
            except CorpusError as error:
                self._failed[commit] = error
                raise
        return folder

    def _unpack(self, commit: Commit, folder: Path) -> None:
        url = f"{self._archives_url}/{commit.url.removeprefix(_HOST)}/tar.gz/{commit.commit}"
        packed = folder.with_suffix(".tar.gz")
        try:
            with packed.open("wb") as file:
                fetch_into(url, file)
            with tarfile.open(packed) as archive:
                # `git archive` writes the commit into the archive's first header.
                if archive.pax_headers.get("comment") != commit.commit:
                    raise CorpusError(f"{url}: no archive of this commit")
                archive.extractall(folder, _members(archive, self._wanted[commit]), filter=_keep_safe)
        except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
            raise CorpusError(f"{url}: {error}") from error
        finally:
            packed.unlink(missing_ok=True)


def _members(archive: tarfile.TarFile, wanted: Collection[str]) -> Iterator[tarfile.TarInfo]:
    """Files and links under the wanted paths, without the archive's own folder in front."""
    prefixes = tuple(f"{path}/" for path in wanted)
    for member in archive:
        name = member.name.partition("/")[2]
        if (name in wanted or name.startswith(prefixes)) and not member.isdir():
            yield member.replace(name=name, deep=False)


def _keep_safe(member: tarfile.TarInfo, folder: str) -> tarfile.TarInfo | None:
    """No member that would be outside of the folder, nor a link to there: it is left out."""
    try:
        return tarfile.data_filter(member, folder)
    except tarfile.FilterError:
        return None


def fetch(url: str) -> bytes:
    """Download the whole of a URL, with a progress bar. Raises CorpusError."""
    content = io.BytesIO()
    fetch_into(url, content)
    return content.getvalue()


def fetch_into(url: str, file: BinaryIO) -> None:
    """Download a URL into an open file, with a progress bar. Raises CorpusError."""
    # manythings.org refuses Python's own user agent.
    request = urllib.request.Request(url, headers={"User-Agent": "seq2serve"})
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as response:
            total = int(response.headers.get("Content-Length", 0)) or None
            with tqdm(total=total, unit="B", unit_scale=True, desc=url.rpartition("/")[2]) as bar:
                while chunk := response.read(_CHUNK):
                    file.write(chunk)
                    bar.update(len(chunk))
    except urllib.error.HTTPError as error:
        error.close()
        raise CorpusError(f"{url} cannot be downloaded: {error}") from error
    except OSError as error:
        raise CorpusError(f"{url} cannot be downloaded: {error}") from error


def write_whole(path: Path, content: bytes) -> None:
    """Write a file by way of another beside it, so that there is never half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".part")
    unfinished.write_bytes(content)
    unfinished.replace(path)
