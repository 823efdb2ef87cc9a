"""Every program of docs/client.md, with the models that are served by default, and the servers that it names."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import trustme

from tests.e2e.processes import ROOT, ServerProcess, run, server_process
from tests.integration.shipped import one_model

PAGE = (ROOT / "docs/client.md").read_text(encoding="utf-8")
RECIPES = {section.partition("\n")[0]: section for section in PAGE.split("\n## ")[1:]}

EXPECTED = {
    "First call": "Un chien dort.",
    "Languages": "Un chien dort.\ntarget_language_code: ",
    "With asyncio": "['Un chien dort.', ",
    "Whole texts and HTML": "Un homme dort. Deux chiens jouent dans la neige.\n\n- J'adore les chiens 🐶\n0 18 ",
    "Text as it is decoded": "Deux jeunes hommes jouent de la guitare dans le parc.\n",
    "The running batches": "transformer-en-fr: 0 of 64 rows, 0 wait, ",
    "Several servers": "['Un chien dort.', 'Un chien dort.', 'Un chien dort.', 'Un chien dort.']",
    "TLS and a key": "Un ",
    "Beams and hypotheses": "Un homme joue de la guitare.",
    "A glossary": "toutou",
    "Errors and retries": "NOT_FOUND: ",
    "Deadlines and cancellation": "too late\n[CancelledError(",
    "Scores and alignments": "dog -> chien",
    "A file": "",
}
"""What each program prints, in part."""


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    with server_process(ROOT / "model_repository", **{"default-model": "transformer-en-fr"}) as process:
        yield process


@contextmanager
def encrypted(folder: Path) -> Iterator[str]:
    """The port of a server that speaks TLS, and asks for certificates and keys; the folder has the files."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "authority.pem")
    for name, certificate in {
        "client": authority.issue_cert("client@example.org"),
        "server": authority.issue_cert("localhost"),
    }.items():
        certificate.private_key_pem.write_to_path(folder / f"{name}.key")
        certificate.cert_chain_pems[0].write_to_path(folder / f"{name}.pem")
    made = run("server.keys", "add", "docs", "--file", str(folder / "keys.toml"))
    (folder / "api.key").write_text(made.stdout)
    settings = {
        "tls-certificate": folder / "server.pem",
        "tls-key": folder / "server.key",
        "tls-client-authorities": folder / "authority.pem",
        "keys": folder / "keys.toml",
    }
    with server_process(one_model(folder), **{name: str(path) for name, path in settings.items()}) as process:
        yield process.address.rpartition(":")[2]


def test_there_is_an_expectation_of_every_recipe() -> None:
    assert list(RECIPES) == list(EXPECTED)


@pytest.mark.parametrize("recipe", EXPECTED)
def test_a_recipe_does_what_it_says(
    recipe: str,
    server: ServerProcess,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    [program] = [part.partition("\n```")[0] for part in RECIPES[recipe].split("```python\n")[1:]]
    monkeypatch.chdir(tmp_path)
    Path("english.txt").write_text("A dog sleeps.\nA cat sleeps.\n" * 600, encoding="utf-8")
    program = program.replace(":50051", ":" + server.address.rpartition(":")[2])
    with ExitStack() as stack:
        if ":50443" in program:
            program = program.replace(":50443", f":{stack.enter_context(encrypted(tmp_path))}")
        exec(compile(program, recipe, "exec"), {"__name__": "__main__"})
    assert EXPECTED[recipe] in capsys.readouterr().out
    if recipe == "A file":
        french = Path("french.txt").read_text(encoding="utf-8").splitlines()
        assert french == french[:2] * 600
        assert french[0] == "Un chien dort."
