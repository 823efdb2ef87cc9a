from pathlib import Path

import pytest

from models.data.download.renpy_files import plain, read_renpy
from tests.models.download.files import lay

RENPY = r"""
# game/script.rpy:58
translate french start_cf214f74:

    # s "Hi there! It's {b}me{/b}."
    s "Salut ! C'est {b}moi{/b}."

# game/script.rpy:60
translate french start_f5f51c33:

    # "What's a \"novel?\"" nointeract
    "C'est quoi, un \"roman ?\"" nointeract

    # s happy "I'm [player_name]."
    s happy "Je suis [player_name]."

translate french strings:

    # script.rpy:2
    old "{#month}May"
    new "{#month}Mai"

    # script.rpy:3
    old "Are you sure?\nIt will be lost."
    new "Êtes-vous sûr ?\nCe sera perdu."

    # script.rpy:4
    old "Saved as %s."
    new "Sauvegardé sous %s."
"""


def test_dialogue_and_strings_of_a_visual_novel_are_read(tmp_path: Path) -> None:
    lay(tmp_path, {"tl/french/script.rpy": RENPY})
    expected = [
        ("Hi there! It's me.", "Salut ! C'est moi."),
        ('What\'s a "novel?"', 'C\'est quoi, un "roman ?"'),
        ("May", "Mai"),
        ("Are you sure? It will be lost.", "Êtes-vous sûr ? Ce sera perdu."),
    ]
    assert [*read_renpy([], [tmp_path / "tl"])] == expected
    assert [*read_renpy([], [tmp_path / "tl" / "french" / "script.rpy"])] == expected


@pytest.mark.parametrize(
    ("string", "expected"),
    [
        (r"100%", "100%"),
        (r"{i}a{/i} {size=+10}b{/size}", "a b"),
        (r"a \\ b \'c\'", r"a \ b 'c'"),
        ("{" * 10_000, "{" * 10_000),
    ],
)
def test_text_tags_and_escapes_are_taken_out(string: str, expected: str) -> None:
    assert plain(string) == expected
