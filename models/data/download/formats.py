"""The format of a source -> what reads it."""

from models.data.download.fluent_files import read_fluent
from models.data.download.gettext_files import read_po_with_restructured_text, read_po_with_xml
from models.data.download.line_files import (
    read_books,
    read_lines,
    read_new_testament,
    read_old_testament,
    read_pivot,
    read_tabs,
)
from models.data.download.markdown_files import read_markdown, read_markdown_by_key
from models.data.download.pair import Format
from models.data.download.renpy_files import read_renpy
from models.data.download.stories import read_diabla, read_risawoz, read_stories
from models.data.download.xml_files import read_docbook, read_laws, read_tmx

FORMATS: dict[str, Format] = {
    "lines": Format(read_lines, of_blocks=False),
    "tabs": Format(read_tabs, of_blocks=False),
    "books": Format(read_books, of_blocks=True),
    "tatoeba-pivot": Format(read_pivot, of_blocks=False),
    "old-testament": Format(read_old_testament, of_blocks=False),
    "new-testament": Format(read_new_testament, of_blocks=False),
    "po-xml": Format(read_po_with_xml, of_blocks=True),
    "po-rst": Format(read_po_with_restructured_text, of_blocks=True),
    "fluent": Format(read_fluent, of_blocks=True),
    "markdown": Format(read_markdown, of_blocks=True),
    "markdown-by-key": Format(read_markdown_by_key, of_blocks=True),
    "renpy": Format(read_renpy, of_blocks=True),
    "tmx": Format(read_tmx, of_blocks=False),
    "laws": Format(read_laws, of_blocks=True),
    "docbook": Format(read_docbook, of_blocks=True),
    "stories": Format(read_stories, of_blocks=True),
    "diabla": Format(read_diabla, of_blocks=False),
    "risawoz": Format(read_risawoz, of_blocks=False),
}
