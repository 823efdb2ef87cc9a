"""The table of examples in docs/texts.md: what was sent, what a sentence model alone makes of it, what is answered.

    python -m evaluation.examples

asks a running server, and prints the table. Inputs, and what was answered before, are in examples.toml.
"""

import argparse
import dataclasses
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from seq2serve import Client, TranslationError
from seq2serve.requests import DEFAULT_ADDRESS

_FILE = Path(__file__).with_name("examples.toml")


@dataclass(frozen=True)
class Example:
    what: str
    """Of what it is an example, in Markdown."""
    content: str
    before: str
    """What a server answered that decodes every content as one sentence."""
    mime_type: str = ""
    do_not_translate: Sequence[str] = dataclasses.field(default_factory=list)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m evaluation.examples", description="Print the table of examples.")
    parser.add_argument("--server", default=DEFAULT_ADDRESS, help=f"its address (default: {DEFAULT_ADDRESS})")
    arguments = parser.parse_args()
    examples = read_examples()
    try:
        with Client(arguments.server) as client:
            answers = [
                client.translate(
                    example.content, mime_type=example.mime_type, do_not_translate=example.do_not_translate
                ).translated_text
                for example in examples
            ]
    except TranslationError as error:
        sys.exit(f"error: {error}")
    print(table(examples, answers))


def read_examples() -> list[Example]:
    return [Example(**fields) for fields in tomllib.loads(_FILE.read_text(encoding="utf-8"))["example"]]


def table(examples: Sequence[Example], answers: Sequence[str]) -> str:
    lines = ["| | sent | sentence model alone | answered |", "|---|---|---|---|"]
    for example, answer in zip(examples, answers, strict=True):
        cells = [example.what, *(_code(text) for text in (example.content, example.before, answer))]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _code(text: str) -> str:
    """A text within a table's cell, as it is, line breaks as arrows."""
    shown = text.replace("\n", "↵").replace("|", "\\|")
    return f"`{shown}`"


if __name__ == "__main__":
    main()
