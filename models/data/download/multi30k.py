"""Multi30k (Elliott et al. 2016, 2017): gzipped lines, pinned by the SHA-256 of their text."""

import gzip
import hashlib
import zlib
from pathlib import Path

from models.data.corpora import CorpusError
from models.data.download.archives import fetch, write_whole

URL = "https://raw.githubusercontent.com/multi30k/dataset/master/data/task1/raw"
SHA256 = {
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


def download_multi30k(folder: Path, url: str = URL) -> None:
    """Download every file that is not there already. Raises CorpusError for a file whose text is not the pinned one."""
    for name, expected in SHA256.items():
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
