"""The command line's side of `DecodingOptions`: one flag for each of its fields, named like it."""

import argparse
from pathlib import Path

from seq2serve.glossary_file import read_glossary_file
from seq2serve.pb import translation_pb2 as pb

NUMBERS: dict[str, tuple[type, str]] = {
    "max_output_tokens": (int, "most tokens of a translation; 0: the server's own limit"),
    "min_output_tokens": (int, "fewest tokens of a translation"),
    "beam_size": (int, "hypotheses that live at a time; 1: greedy"),
    "num_hypotheses": (int, "hypotheses to show of each line, with their scores"),
    "length_penalty": (float, "more prefers longer hypotheses; 0 ranks by log-probability alone (default: 0.6)"),
    "coverage_penalty": (float, "what hypotheses lose that leave source tokens unattended"),
    "patience": (float, "stop when patience * beam size hypotheses are finished (default: 1)"),
    "temperature": (float, "above 0: draw translations at random"),
    "top_k": (int, "draw from so many most probable tokens"),
    "top_p": (float, "draw from the most probable tokens that have this probability together"),
    "seed": (int, "the same seed draws the same translations"),
    "no_repeat_ngram_size": (int, "no sequence of so many tokens occurs twice"),
    "repetition_penalty": (float, "more than 1 makes tokens that were written before less likely"),
}
SWITCHES: dict[str, str] = {
    "return_token_scores": "show every token with its log-probability",
    "return_alignment": "show which word belongs to which, as in Moses",
    "use_shortlist": "write only tokens that are likely for the source",
}


def add_decoding_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("decoding options")
    for name, (kind, text) in NUMBERS.items():
        group.add_argument(_flag(name), type=kind, metavar="N", help=text)
    for name, text in SWITCHES.items():
        group.add_argument(_flag(name), action="store_true", help=text)
    group.add_argument("--target-prefix", metavar="TEXT", help="what translations begin with")
    group.add_argument(
        "--forbidden-phrase",
        dest="forbidden_phrases",
        metavar="TEXT",
        action="append",
        help="what no translation contains; may be given several times",
    )
    group.add_argument("--glossary", metavar="NAME", help="one that the server keeps")
    group.add_argument("--glossary-file", type=Path, help="lines of: source term, tab, target term")


def read_decoding(arguments: argparse.Namespace) -> pb.DecodingOptions:
    """Raises OSError or ValueError for a glossary file that cannot be read."""
    given = {name: getattr(arguments, name) for name in (*NUMBERS, *SWITCHES, "target_prefix", "forbidden_phrases")}
    try:
        decoding = pb.DecodingOptions(**{name: value for name, value in given.items() if value is not None})
    except ValueError as error:  # an integer that its field cannot hold
        raise ValueError(f"decoding options: {error}") from error
    if arguments.glossary:
        decoding.glossary.name = arguments.glossary
    if arguments.glossary_file:
        decoding.glossary.entries.extend(_entries(arguments.glossary_file))
    return decoding


def _entries(path: Path) -> list[pb.GlossaryEntry]:
    try:
        entries = read_glossary_file(path)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    return [pb.GlossaryEntry(source_term=source, target_term=target) for source, target in entries]


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")
