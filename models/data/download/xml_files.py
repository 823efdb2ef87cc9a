"""Sources in XML: translation memories (TMX), the consolidated laws of Canada, and manuals in DocBook."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from pathlib import Path

from models.data.corpora import CorpusError
from models.data.download.pair import Pair

_XML_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"

_LAW_BLOCKS = frozenset(("LongTitle", "ShortTitle", "TitleText", "MarginalNote", "Text"))
_DEFINED_TERMS = ("DefinedTermEn", "DefinedTermFr")
_NAMES_OF_REGULATIONS = (("SOR-", "DORS-"), ("SI-", "TR-"), (",_c._", ",_ch._"))
"""Parts of an English file's name -> of the French one's: the same number in the Canada Gazette."""

_DOCBOOK_BLOCKS = frozenset(("para", "simpara", "title", "refpurpose", "entry", "term", "member"))
_DOCBOOK_SKIPPED = frozenset(("programlisting", "screen", "methodsynopsis", "classsynopsis", "indexterm", "synopsis"))
_ENTITY = re.compile(r"&(?!(?:amp|lt|gt|quot|apos|#\d+|#x[0-9a-fA-F]+);)([\w.-]+);")
_DECLARATION = re.compile(r"\A\s*<\?xml.*?\?>")
_PRODUCT_NAMES = {"php": "PHP", "true": "true", "false": "false", "null": "null", "zend": "Zend", "link": ""}
_UNKNOWN = "\ufffd"
"""In place of an entity whose text is elsewhere; blocks with it are left out."""


def read_tmx(english: Sequence[Path], french: Sequence[Path]) -> Iterator[Pair]:
    """Translation units of TMX 1.4 files that have both languages."""
    for path in french:
        for unit in _parse(path).iter("tu"):
            segments = {
                (variant.get(_XML_LANGUAGE) or "")[:2].lower(): "".join(segment.itertext())
                for variant in unit.iter("tuv")
                for segment in variant.iter("seg")
            }
            if {"en", "fr"} <= segments.keys():
                yield Pair(segments["en"], segments["fr"])


def read_laws(english: Sequence[Path], french: Sequence[Path]) -> Iterator[Pair]:
    """Whole sentences, titles and marginal notes at the same place of the same law, known by the labels of sections,
    subsections and paragraphs; and defined terms. Places that occur twice on a side are left out."""
    for ours, theirs in zip(english, french, strict=True):
        for path in sorted(ours.rglob("*.xml")):
            beside = theirs / french_name(path.name)
            if beside.exists():
                law, translations = _parse(path), _places(_parse(beside))
                for place, text in _places(law).items():
                    if translations.get(place) and text:
                        yield Pair(text, translations[place])
                yield from _defined_terms(law)


def french_name(name: str) -> str:
    """The file name of a law's French text."""
    for english, french in _NAMES_OF_REGULATIONS:
        name = name.replace(english, french)
    return name


def _places(law: ET.Element) -> dict[tuple[str, ...], str]:
    """Where in the law -> text; an empty one for a part of a sentence, and if there are several."""
    found: dict[tuple[str, ...], str] = {}
    waiting: list[tuple[ET.Element, tuple[str, ...]]] = [(law, ())]
    while waiting:
        element, place = waiting.pop()
        for child in element:
            here = (*place, child.tag)
            if child.tag in _LAW_BLOCKS:
                text = "".join(child.itertext()).strip()
                whole = child.tag != "Text" or (text.endswith(".") and text[0].isupper())
                found[here] = text if whole and here not in found else ""
            elif child.tag not in ("Definition", "Heading"):
                label = child.findtext("Label")
                waiting.append((child, (*here, label) if label else here))
    return found


def _defined_terms(law: ET.Element) -> Iterator[Pair]:
    """The English and the French term of each definition that has one of each."""
    for definition in law.iter("Definition"):
        english, french = (["".join(term.itertext()) for term in definition.iter(tag)] for tag in _DEFINED_TERMS)
        if len(english) == len(french) == 1:
            yield Pair(english[0], french[0])


def read_docbook(english: Sequence[Path], french: Sequence[Path]) -> Iterator[Pair]:
    """Blocks of the files of the same relative path whose blocks are of the same kinds in the same order."""
    for ours, theirs in zip(english, french, strict=True):
        for path in sorted(theirs.rglob("*.xml")):
            beside = ours / path.relative_to(theirs)
            if beside.exists():
                sides = [_docbook_blocks(place) for place in (beside, path)]
                if [kind for kind, _ in sides[0]] == [kind for kind, _ in sides[1]]:
                    for (_, text), (_, translation) in zip(*sides, strict=True):
                        if _UNKNOWN not in text + translation:
                            yield Pair(text, translation)


def _docbook_blocks(path: Path) -> list[tuple[str, str]]:
    """(Kind, text) of the innermost blocks; no block for a file that is no XML once its entities are taken out."""
    try:
        text = _DECLARATION.sub("", path.read_text(encoding="utf-8"), count=1)
        root = ET.fromstring(_ENTITY.sub(lambda entity: _PRODUCT_NAMES.get(entity.group(1), _UNKNOWN), text))
    except (ET.ParseError, UnicodeDecodeError):
        return []
    blocks: list[tuple[str, str]] = []
    waiting = [root]
    while waiting:
        element = waiting.pop()
        name = _local(element)
        if name in _DOCBOOK_SKIPPED:
            continue
        if name in _DOCBOOK_BLOCKS and not any(
            _local(inner) in _DOCBOOK_BLOCKS | _DOCBOOK_SKIPPED for inner in element.iter() if inner is not element
        ):
            blocks.append((name, " ".join("".join(element.itertext()).split())))
        else:
            waiting.extend(reversed(element))
    return blocks


def _local(element: ET.Element) -> str:
    """The tag without its namespace."""
    return element.tag.rpartition("}")[2]


def _parse(path: Path) -> ET.Element:
    try:
        return ET.parse(path).getroot()
    except (ET.ParseError, OSError) as error:
        raise CorpusError(f"{path}: XML expected: {error}") from error
