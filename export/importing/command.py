"""`python -m export --import`: arguments, and errors in words."""

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from export.checkpoints.imported import ImportProblem
from export.errors import ExportError
from export.importing import ImportOptions, import_checkpoint
from server.bundle.manifest import MANIFEST


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m export --import", description="Import a checkpoint to a bundle.")
    parser.add_argument("--import", dest="folder", type=Path, required=True, metavar="FOLDER", help="the checkpoint")
    parser.add_argument("bundle", type=Path, help="<model repository>/<model name>/<version>")
    parser.add_argument(
        "--text",
        action="append",
        default=[],
        metavar="[CODE=]FILE",
        help="source sentences, a line each; for a model of several source languages with the language's code",
    )
    parser.add_argument(
        "--languages", type=_pair, help="source and target, e.g. en-fr or zh-Hans:en; mul for all: en-mul"
    )
    parser.add_argument("--precision", choices=("int8", "fp32"), default=ImportOptions.precision)
    parser.add_argument(
        "--positions",
        choices=("own", "marian"),
        default=ImportOptions.positions,
        help="marian: the sinusoids of Marian itself, for a model that it trained and another toolkit converted",
    )
    parser.add_argument("--replace", action="store_true", help="take the place of another model's bundle")
    arguments = parser.parse_args(argv)
    bundle: Path = arguments.bundle.resolve()
    if not bundle.name.isdecimal():
        parser.error(f"bundle: <model repository>/<model name>/<version number> expected, got {arguments.bundle}")
    if bundle.exists() and not (bundle / MANIFEST).is_file():
        parser.error(f"bundle: {arguments.bundle} exists, and is no bundle that could be replaced")
    options = ImportOptions(
        texts=dict(map(_text, arguments.text)),
        languages=arguments.languages,
        precision=arguments.precision,
        positions=arguments.positions,
        replace=arguments.replace,
    )
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # nothing is left behind then either
    try:
        print(import_checkpoint(arguments.folder, bundle, options))
    except ImportProblem as problem:
        sys.exit("error: the checkpoint cannot be imported:\n" + "\n".join(f"  - {each}" for each in problem.problems))
    except ExportError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("interrupted: nothing was written")


def _pair(argument: str) -> tuple[str, str]:
    source, hyphen, target = argument.partition(":" if ":" in argument else "-")
    if not source or not hyphen or not target:
        raise argparse.ArgumentTypeError(f"source-target expected, or source:target, got {argument!r}")
    return source, target


def _text(argument: str) -> tuple[str | None, Path]:
    code, equals, path = argument.partition("=")
    return (code, Path(path)) if equals and not Path(argument).exists() else (None, Path(argument))
