"""Reads what deploy/check.py needs of a Dockerfile: the instructions of each stage."""

import json
import re
import shlex
from pathlib import Path
from typing import NamedTuple


class Instruction(NamedTuple):
    word: str
    """Such as "COPY"."""

    text: str
    """All that follows it."""

    def words(self) -> list[str]:
        return shlex.split(self.text)

    def exec_form(self) -> list[str]:
        """The list of an ENTRYPOINT or a HEALTHCHECK. Raises ValueError where a shell's line stands instead."""
        return [str(word) for word in json.loads(self.text[self.text.index("[") :])]


class Stage(NamedTuple):
    instructions: list[Instruction]

    def all(self, word: str) -> list[Instruction]:
        return [instruction for instruction in self.instructions if instruction.word == word]

    def one(self, word: str) -> Instruction:
        [instruction] = self.all(word)
        return instruction

    def copies(self) -> list[tuple[list[str], str]]:
        """Sources and destination of each COPY from the repository."""
        copies = [instruction.words() for instruction in self.all("COPY")]
        return [(sources, target) for *sources, target in copies if not sources[0].startswith("--from=")]

    def environment(self) -> dict[str, str]:
        """Names and values that this stage, not one that it builds on, sets."""
        pairs = (word.partition("=") for instruction in self.all("ENV") for word in instruction.words())
        return {name: value for name, _, value in pairs}


def read_dockerfile(path: Path) -> dict[str, Stage]:
    """The stages by name; every stage must have one."""
    stages: dict[str, Stage] = {}
    text = re.sub(r"^\s*#.*\n", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    for line in text.replace("\\\n", " ").splitlines():
        if not line.strip():
            continue
        word, text = line.split(maxsplit=1)
        if word == "FROM":
            stage = stages[text.split(" AS ")[1]] = Stage([])
        else:
            stage.instructions.append(Instruction(word, text))
    return stages
