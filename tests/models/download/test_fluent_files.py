from pathlib import Path

from models.data.download.fluent_files import read_fluent
from tests.models.download.files import lay


def test_messages_of_both_languages_are_joined_and_brands_filled_in(tmp_path: Path) -> None:
    lay(
        tmp_path,
        {
            "en/brands.ftl": "-brand-name-firefox = Firefox\n",
            "fr/brands.ftl": "-brand-name-firefox = Firefox\n",
            "en/a/page.ftl": "# Comment\nget = Get { -brand-name-firefox } now\nout = Gone\n"
            'link = Read <a href="{ $url }">more</a>\nsafe = Be <strong>safe</strong> &amp; { "sound" }\n'
            "two =\n    Two\n    lines\nbad = { -brand-name-other } is new\n",
            "fr/a/page.ftl": "get = Installez { -brand-name-firefox }\nlink = Lire <a>la suite</a>\n"
            'safe = Soyez <strong>saufs</strong> &amp; { "sains" }\ntwo = Deux lignes\nbad = Nouveau\nnew = Neuf\n',
            "fr/b/page.ftl": "only = Ici\n",
        },
    )
    found = {ours.strip(): theirs.strip() for ours, theirs in read_fluent([tmp_path / "en"], [tmp_path / "fr"])}
    assert found == {
        "Get Firefox now": "Installez Firefox",
        "Be  safe  & sound": "Soyez  saufs  & sains",
        "Two\nlines": "Deux lignes",
    }
