"""Stories and dialogues: the African Storybook's pages, the dialogues of DiaBLa and of X-RiSAWOZ."""

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from models.data.corpora import CorpusError
from models.data.download.pair import Pair

_FREE = re.compile(r"^\* License: \[CC-BY\]", re.MULTILINE)
_PAGE = re.compile(r"^##.*$", re.MULTILINE)


def read_stories(english: Sequence[Path], french: Sequence[Path]) -> Iterator[Pair]:
    """Pages of stories with the same number before the first `_` or `-` of the file's name, where both have equally
    many pages and both are marked as CC-BY: the rest is for non-commercial use."""
    for ours, theirs in zip(english, french, strict=True):
        stories = _stories(ours)
        for number, pages in _stories(theirs).items():
            if number in stories and len(stories[number]) == len(pages):
                yield from map(Pair, stories[number], pages)


def _stories(folder: Path) -> dict[str, list[str]]:
    """Number -> title and pages; the last page, the story's credits, is left out."""
    stories: dict[str, list[str]] = {}
    for path in sorted(folder.glob("[0-9]*.md")):
        text = path.read_text(encoding="utf-8")
        if _FREE.search(text):
            title, *pages = _PAGE.split(text.removeprefix("# "))
            stories[path.name[:4]] = [" ".join(page.split()) for page in (title, *pages[:-1])]
    return stories


def read_diabla(english: Sequence[Path], french: Sequence[Path]) -> Iterator[Pair]:
    """Utterances of DiaBLa (Bawden et al. 2021) with their human translation, never with the machine's."""
    for folder in french:
        for path in sorted(folder.glob("*.json")):
            for utterance in _json(path)["utterances"].values():
                said = utterance["normalised_version"] or utterance["original_text"]
                translated = utterance["reference_translation"]
                if translated and utterance["language"] in ("english", "french"):
                    yield Pair(said, translated) if utterance["language"] == "english" else Pair(translated, said)


def read_risawoz(english: Sequence[Path], french: Sequence[Path]) -> Iterator[Pair]:
    """Utterances of X-RiSAWOZ (Moradshahi et al. 2023) of the same dialogue and turn."""
    for ours, theirs in zip(english, french, strict=True):
        translations = _utterances(theirs)
        for place, said in _utterances(ours).items():
            if place in translations:
                yield Pair(said, translations[place])


def _utterances(path: Path) -> dict[tuple[str, int, str], str]:
    return {
        (dialogue["dialogue_id"], turn["turn_id"], speaker): _said(turn[speaker])
        for dialogue in _json(path)
        for turn in dialogue["dialogue"]
        for speaker in ("user_utterance", "system_utterance")
        if turn.get(speaker)
    }


def _said(utterance: str | list[Any]) -> str:
    """The text alone, or before its annotations."""
    return utterance if isinstance(utterance, str) else str(utterance[0])


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CorpusError(f"{path}: JSON expected: {error}") from error
