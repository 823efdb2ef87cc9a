"""How much is measured, and on what."""

from dataclasses import dataclass
from pathlib import Path

from models.data.corpora import read_tests

TEST_SETS = ("multi30k/test_2016_flickr", "tatoeba/test")


@dataclass(frozen=True)
class Plan:
    quick: bool
    """Fewer sizes, rates and repetitions: minutes in place of the better part of an hour."""
    rounds: int
    sentences: int
    """Sentences to take from each test set; 0: all."""
    file: Path | None
    """Whose lines are translated instead of the test sets."""
    data: Path
    """The corpora's folder."""
    folder: Path
    """For what is made once and kept: models in other forms and sizes."""

    def texts(self) -> list[str]:
        """The texts that are translated. Raises CorpusError where a test set is missing."""
        if self.file:
            return self.file.read_text(encoding="utf-8").splitlines()
        tests = read_tests(self.data)
        return [text for name in TEST_SETS for text in tests[name].sources[: self.sentences or None]]
