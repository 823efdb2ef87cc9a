"""Make and list the keys of a server.

python -m server.keys add web --roles translate,read --out web.key
python -m server.keys list
"""

import argparse
import contextlib
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from server.keys.key_file import NAME_RULE, READ, ROLES, SCORE, TRANSLATE, Key, digest, new_key, read_keys, table_of

_VARIABLE = "SEQ2SERVE_KEYS"
_DEFAULT = "keys.toml"


def main() -> None:
    arguments = _parser().parse_args()
    try:
        if arguments.command == "add":
            _add(arguments)
        else:
            _list(arguments.file)
    except (OSError, ValueError) as error:
        sys.exit(f"error: {error}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m server.keys", description="Make and list the keys of a server.")
    commands = parser.add_subparsers(dest="command", required=True)
    add = commands.add_parser("add", help="make a key, write its digest to the file, and show the key, once")
    add.add_argument("name", help=f"by which logs and metrics call it: {NAME_RULE.replace(' expected', '')}")
    add.add_argument(
        "--roles",
        default=",".join((TRANSLATE, SCORE, READ)),
        help="what it may do, with commas between: "
        + "; ".join(f"{role}: {text}" for role, text in ROLES.items())
        + " (default: %(default)s)",
    )
    add.add_argument("--max-calls", type=int, metavar="CALLS", help="calls that run at a time (default: no limit)")
    add.add_argument(
        "--source-tokens-per-second",
        type=int,
        metavar="TOKENS",
        help="on average, over all calls, those of a beam search times its beam size (default: no limit)",
    )
    add.add_argument("--burst-source-tokens", type=int, metavar="TOKENS", help="at once (default: ten seconds' worth)")
    add.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="a new file for the key, that only you can read (default: it is printed)",
    )
    shown = commands.add_parser("list", help="names, roles and limits")
    for command in (add, shown):
        command.add_argument(
            "--file",
            type=Path,
            default=os.environ.get(_VARIABLE) or _DEFAULT,
            help=f"the server's --keys ({_VARIABLE}; default: {_DEFAULT})",
        )
    return parser


def _add(arguments: argparse.Namespace) -> None:
    """Raises ValueError or OSError; the file is then as it was."""
    path: Path = arguments.file.resolve()  # a link stays one
    if path.exists() and any(key.name == arguments.name for key in read_keys(path)):
        raise ValueError(f"{path}: there is a key {arguments.name} already")
    text = new_key()
    key = Key(
        name=arguments.name,
        sha256=digest(text),
        roles=frozenset(arguments.roles.split(",")),
        max_calls=arguments.max_calls,
        source_tokens_per_second=arguments.source_tokens_per_second,
        burst_source_tokens=arguments.burst_source_tokens,
    )
    before = path.read_text(encoding="utf-8").rstrip("\n") + "\n\n" if path.exists() else ""
    with _shown(text, arguments.out):
        _replace(path, before.lstrip("\n") + table_of(key))


@contextlib.contextmanager
def _shown(key: str, out: Path | None) -> Iterator[None]:
    """Write a key to a new file for its owner alone, which goes again if what follows fails; or print it when what
    follows is done. Raises OSError, FileExistsError among others, before anything follows."""
    if out is None:
        yield
        print(key)
        return
    with open(out, "x", encoding="utf-8", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        try:
            file.write(f"{key}\n")
            file.flush()
            yield
        except BaseException:
            out.unlink()
            raise


def _replace(path: Path, content: str) -> None:
    """Write the file as a whole or not at all, as a running server may read it at any time. Raises ValueError where no
    server could use it, and OSError."""
    written = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        written.write_text(content, encoding="utf-8")
        try:
            read_keys(written)
        except ValueError as error:
            raise ValueError(str(error).replace(str(written), str(path))) from error
        if path.exists():
            _copy_owner(path, written)
            shutil.copymode(path, written)
        written.replace(path)
    finally:
        written.unlink(missing_ok=True)


def _copy_owner(source: Path, target: Path) -> None:
    """As far as whoever runs this may give files away: the server has to be able to read the file as before."""
    owner = source.stat()
    for user, group in ((-1, owner.st_gid), (owner.st_uid, -1)):
        with contextlib.suppress(PermissionError):
            os.chown(target, user, group)


def _list(path: Path) -> None:
    for key in read_keys(path):
        limits = [f"{key.max_calls} calls"] if key.max_calls else []
        if key.source_tokens_per_second:
            limits.append(f"{key.source_tokens_per_second} source tokens a second")
        if key.burst_source_tokens:
            limits.append(f"{key.burst_source_tokens} at once")
        roles = ", ".join(role for role in ROLES if role in key.roles)
        print(f"{key.name}: {roles}; {', '.join(limits) or 'no limits'}")


if __name__ == "__main__":
    main()
