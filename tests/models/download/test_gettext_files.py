from pathlib import Path

import pytest

from models.data.corpora import CorpusError
from models.data.download.gettext_files import (
    read_po_with_restructured_text,
    read_po_with_xml,
    strip_restructured_text,
    strip_xml,
)
from tests.models.download.files import lay

PO = r"""
msgid ""
msgstr ""
"Content-Type: text/plain; charset=UTF-8\n"

#: C/index.page:6(info/desc)
msgid ""
"Click <gui>Open</gui>, then <key xref=\"a\">Enter</"
"key>."
msgstr ""
"Cliquez sur <gui>Ouvrir</gui>, puis "
"<key xref=\"a\">Entrée</key>."

#, fuzzy
msgid "Old"
msgstr "Vieux"

msgid "Not yet"
msgstr ""

msgctxt "_"
msgid "external ref='figures/a.png' md5='12'"
msgstr "external ref='figures/a.png' md5='12'"

msgid "translator-credits"
msgstr "Somebody"

#~ msgid "Gone"
#~ msgstr "Parti"
"""


def test_messages_are_read_without_tags_and_without_the_unfinished_ones(tmp_path: Path) -> None:
    lay(tmp_path, {"fr-FR/fr.po": PO, "fr-FR/notes.txt": ""})
    expected = [("Click Open, then Enter.", "Cliquez sur Ouvrir, puis Entrée.")]
    assert [*read_po_with_xml([], [tmp_path / "fr-FR"])] == expected
    assert [*read_po_with_xml([], [tmp_path / "fr-FR" / "fr.po"])] == expected


def test_messages_in_restructured_text_lose_their_markup(tmp_path: Path) -> None:
    message = r'msgid "Return a :class:`set`."' + "\n" + r'msgstr "Renvoie un :class:`set`."'
    lay(tmp_path, {"a.po": PO.split("#:", maxsplit=1)[0] + message + "\n"})
    assert [*read_po_with_restructured_text([], [tmp_path])] == [("Return a set.", "Renvoie un set.")]


def test_what_is_no_po_file_is_named(tmp_path: Path) -> None:
    lay(tmp_path, {"a.po": "<html>moved</html>"})
    with pytest.raises(CorpusError, match=r"a\.po: a PO file expected"):
        list(read_po_with_xml([], [tmp_path]))


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("Use the <app>Orca</app> reader.", "Use the Orca reader."),
        ('<media type="image" src="a.png">Help</media> Guide', " Guide"),
        ("<indexterm><primary>root</primary></indexterm>The root", "The root"),
        ("Files &amp; folders &lt;all&gt;", "Files & folders <all>"),
        ("1 < 2 and 3 > 2", "1 < 2 and 3 > 2"),
        ("line<br/>break", "linebreak"),
    ],
)
def test_tags_are_taken_out(message: str, expected: str) -> None:
    assert strip_xml(message) == expected


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("See :ref:`the guide <guide-label>`.", "See the guide."),
        ("A :class:`~collections.abc.Set` or :class:`!Bag`.", "A Set or Bag."),
        ("A :py:meth:`list.sort` call", "A list.sort call"),
        ("``None`` is *never* **equal** to it", "None is never equal to it"),
        ("From `the site <https://example.org>`_ or `here`__", "From the site or here"),
        ("2 * 3 * 4 is 24", "2 * 3 * 4 is 24"),
        ("*args and **kwargs", "*args and **kwargs"),
        ("For example::", "For example"),
        ("Python |version| is out", ""),
        ("As said [#]_ before", ""),
    ],
)
def test_inline_markup_of_restructured_text_is_taken_out(message: str, expected: str) -> None:
    assert strip_restructured_text(message) == expected


@pytest.mark.parametrize("start", [":a:`", "``", "`", "*", "**", "|", "[", "<media>", "<a "])
def test_markup_that_never_ends_takes_no_time(start: str) -> None:
    message = start * 1_000
    strip_restructured_text(message)
    strip_xml(message)
