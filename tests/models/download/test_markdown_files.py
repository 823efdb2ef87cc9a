from pathlib import Path

from models.data.download.markdown_files import align, read_markdown, read_markdown_by_key
from tests.models.download.files import lay

ENGLISH = """---
title: Installation
translationKey: setup
---

<Intro>

React is *easy* to use. Try `it`!

</Intro>

## Try it {/*try-it*/}

* One [link](/a)
* Two

```js
const code = 1;
```

![A picture](a.png)

## Then

Next step.
"""
FRENCH = """---
title: Installation
translationKey: "setup"
---

<Intro>

React est *facile* à utiliser. Essayez-`le` !

</Intro>

## Essayez {/*try-it*/}

* Un [lien](/a)
* Deux

```js
const code = 1; // commentaire
```

![Une image](a.png)

## Ensuite

Étape
suivante.
"""
ALIGNED = [
    ("React is easy to use. Try it!", "React est facile à utiliser. Essayez-le !"),
    ("Try it", "Essayez"),
    ("One link", "Un lien"),
    ("Two", "Deux"),
    ("Then", "Ensuite"),
    ("Next step.", "Étape suivante."),
]


def test_blocks_of_two_documents_are_aligned_without_code_and_markup() -> None:
    assert [*align(ENGLISH, FRENCH)] == ALIGNED


def test_a_section_with_other_blocks_is_left_out() -> None:
    assert [*align(ENGLISH, FRENCH.replace("* Deux\n", "* Deux\n* Trois\n"))] == [*ALIGNED[:1], *ALIGNED[4:]]


def test_documents_with_other_headings_are_left_out() -> None:
    assert not [*align(ENGLISH, FRENCH.replace("## Ensuite", "### Ensuite"))]
    assert not [*align(ENGLISH, FRENCH + "\n## Et après\n")]


def test_documents_are_paired_by_their_path(tmp_path: Path) -> None:
    lay(tmp_path, {"a/x.md": ENGLISH, "a/fr/x.md": FRENCH, "a/fr/y.md": FRENCH, "a/z.md": ENGLISH})
    assert [*read_markdown([tmp_path / "a"], [tmp_path / "a" / "fr"])] == ALIGNED


def test_documents_are_paired_by_their_key(tmp_path: Path) -> None:
    lay(tmp_path, {"en/setup.md": ENGLISH, "fr/installation.md": FRENCH, "fr/autre.md": "# Sans clé\n"})
    assert [*read_markdown_by_key([tmp_path / "en"], [tmp_path / "fr"])] == ALIGNED
