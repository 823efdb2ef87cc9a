import json
from pathlib import Path
from typing import Any

import pytest

from models.data.corpora import CorpusError
from models.data.download.stories import read_diabla, read_risawoz, read_stories
from tests.models.download.files import lay


def story(*pages: str, licence: str = "CC-BY") -> str:
    return "\n\n##\n".join(["# " + pages[0], *pages[1:], f"* License: [{licence}]\n* Text: Somebody\n"])


def test_pages_of_stories_are_joined_by_number_if_both_are_free(tmp_path: Path) -> None:
    lay(
        tmp_path,
        {
            "en/0001_a-tall-man.md": story("A tall man", "He was tall. He\nlaughed.", "The end."),
            "fr/0001_un-homme.md": story("Un homme", "Il était grand. Il riait.", "Fin."),
            "en/0002_b.md": story("B", "One.", licence="CC-BY-NC"),
            "fr/0002_b.md": story("B", "Un."),
            "en/0003_c.md": story("C", "One.", "Two."),
            "fr/0003_c.md": story("C", "Un. Deux."),
        },
    )
    assert [*read_stories([tmp_path / "en"], [tmp_path / "fr"])] == [
        ("A tall man", "Un homme"),
        ("He was tall. He laughed.", "Il était grand. Il riait."),
        ("The end.", "Fin."),
    ]


def utterance(language: str, said: str, reference: str, normalised: str = "") -> dict[str, str]:
    return {
        "language": language,
        "original_text": said,
        "normalised_version": normalised,
        "postprocessed_text": "by the machine",
        "reference_translation": reference,
    }


def test_utterances_are_read_with_their_human_translation_in_both_directions(tmp_path: Path) -> None:
    dialogue = {
        "utterances": {
            "0": utterance("english", "helo!", "Bonjour !", "Hello!"),
            "1": utterance("french", "Ça va ?", "How are you?"),
            "2": utterance("english", "Fine.", ""),
        }
    }
    lay(tmp_path, {"d/1.json": json.dumps(dialogue)})
    assert [*read_diabla([], [tmp_path / "d"])] == [("Hello!", "Bonjour !"), ("How are you?", "Ça va ?")]


def turns(first: str, second: str, number: int = 0) -> list[dict[str, Any]]:
    turn = {"turn_id": number, "user_utterance": [first, {"TV-decade": {}}], "system_utterance": second}
    return [{"dialogue_id": "movie#1", "dialogue": [turn]}]


def test_turns_of_the_same_dialogue_are_joined(tmp_path: Path) -> None:
    lay(
        tmp_path,
        {
            "en.json": json.dumps(turns("A film?", "Which one?")),
            "fr.json": json.dumps(turns("Un film ?", "Lequel ?")),
            "other.json": json.dumps(turns("Rien", "Non", number=7)),
        },
    )
    pairs = [*read_risawoz([tmp_path / "en.json"], [tmp_path / "fr.json"])]
    assert pairs == [("A film?", "Un film ?"), ("Which one?", "Lequel ?")]
    assert not [*read_risawoz([tmp_path / "en.json"], [tmp_path / "other.json"])]


def test_what_is_no_json_is_named(tmp_path: Path) -> None:
    lay(tmp_path, {"en.json": "<html>"})
    with pytest.raises(CorpusError, match=r"en\.json: JSON expected"):
        list(read_risawoz([tmp_path / "en.json"], [tmp_path / "en.json"]))
