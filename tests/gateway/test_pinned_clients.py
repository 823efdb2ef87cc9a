"""Python's clients whose versions cannot be beside others, in environments of their own."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.nightly

CHIEN = "Un chien dort."

TRANSLATE = """
import sys
from translate import Translator
translator = Translator(provider="libre", from_lang="en", to_lang="fr", secret_access_key="any", base_url=sys.argv[1])
print(translator.translate("A dog sleeps."))
"""
OLDER_LIBRETRANSLATEPY = """
import sys
from libretranslatepy import LibreTranslateAPI
client = LibreTranslateAPI(sys.argv[1])
assert [language["code"] for language in client.languages()] == ["en", "fr"]
assert client.detect("Un chien dort dans le jardin.")[0]["language"] == "fr"
print(client.translate("A dog sleeps.", "en", "fr"))
"""


@pytest.mark.parametrize(
    ("packages", "program"),
    [
        (("translate==3.8.1", "libretranslatepy==2.1.1"), TRANSLATE),
        (("libretranslatepy==2.1.1",), OLDER_LIBRETRANSLATEPY),
    ],
    ids=["translate", "libretranslatepy 2.1.1"],
)
def test_an_unmodified_client_translates(url: str, packages: tuple[str, ...], program: str) -> None:
    uv = [sys.executable, "-m", "uv", "run", "--quiet", "--no-project", "--isolated", "--python", sys.executable]
    wanted = [f"--with={package}" for package in packages]
    command = [*uv, *wanted, "python", "-c", program, f"{url}/"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == CHIEN
