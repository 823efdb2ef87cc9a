"""The format of a source -> what reads it."""

from models.data.download.fluent_files import read_fluent
from models.data.download.gettext_files import read_po_with_restructured_text, read_po_with_xml
from models.data.download.line_files import (
    read_lines,
    read_new_testament,
    read_old_testament,
    read_pivot,
    read_tabs,
)
from models.data.download.markdown_files import read_markdown, read_markdown_by_key
from models.data.download.pair import Reader
from models.data.download.renpy_files import read_renpy
from models.data.download.stories import read_diabla, read_risawoz, read_stories
from models.data.download.xml_files import read_docbook, read_laws, read_tmx

FORMATS: dict[str, Reader] = {
    "lines": read_lines,
    "tabs": read_tabs,
    "tatoeba-pivot": read_pivot,
    "old-testament": read_old_testament,
    "new-testament": read_new_testament,
    "po-xml": read_po_with_xml,
    "po-rst": read_po_with_restructured_text,
    "fluent": read_fluent,
    "markdown": read_markdown,
    "markdown-by-key": read_markdown_by_key,
    "renpy": read_renpy,
    "tmx": read_tmx,
    "laws": read_laws,
    "docbook": read_docbook,
    "stories": read_stories,
    "diabla": read_diabla,
    "risawoz": read_risawoz,
}
