from pathlib import Path

import pytest

from models.data.corpora import CorpusError
from models.data.download.xml_files import french_name, read_docbook, read_laws, read_tmx
from tests.models.download.files import lay


def test_units_of_a_translation_memory_with_both_languages_are_read(tmp_path: Path) -> None:
    lay(
        tmp_path,
        {
            "all.tmx": '<?xml version="1.0"?><tmx version="1.4"><header srclang="en"/><body>\n'
            '<tu><prop type="note">n</prop><tuv xml:lang="en">\n<seg>I&apos;m <b>ill</b></seg></tuv>'
            '<tuv xml:lang="fr-FR"><seg>Je suis malade</seg></tuv></tu>\n'
            '<tu><tuv xml:lang="en"><seg>Alone</seg></tuv></tu></body></tmx>'
        },
    )
    assert [*read_tmx([], [tmp_path / "all.tmx"])] == [("I'm ill", "Je suis malade")]


def test_what_is_no_xml_is_named(tmp_path: Path) -> None:
    lay(tmp_path, {"all.tmx": "<tmx>"})
    with pytest.raises(CorpusError, match=r"all\.tmx: XML expected"):
        list(read_tmx([], [tmp_path / "all.tmx"]))


LAW = """<?xml version="1.0" encoding="utf-8"?><Statute xml:lang="en"><Identification>
<LongTitle>An Act on fish</LongTitle></Identification><Body>
<Heading level="1"><TitleText>Short Title</TitleText></Heading>
<Section><MarginalNote>Definitions</MarginalNote><Label>2</Label><Text>These definitions apply.</Text>
<Definition><Text>
<DefinedTermEn>fish</DefinedTermEn> means a fish. (<DefinedTermFr>poisson</DefinedTermFr>)</Text></Definition>
<Definition><Text>
<DefinedTermEn>Minister</DefinedTermEn> means one. (<DefinedTermFr>ministre</DefinedTermFr>)</Text></Definition>
</Section><Section><Label>3</Label>
<Subsection><Label>(1)</Label><Text>It is <XRef>here</XRef>. It stays.</Text></Subsection>
<Subsection><Label>(2)</Label><Text>Repealed later.</Text></Subsection>
<Subsection><Label>(4)</Label><Text>It is either</Text>
<Paragraph><Label>(a)</Label><Text>one.</Text></Paragraph>
</Subsection></Section></Body></Statute>"""
LOI = """<?xml version="1.0" encoding="utf-8"?><Statute xml:lang="fr"><Identification>
<LongTitle>Loi sur le poisson</LongTitle></Identification><Body>
<Heading level="1"><TitleText>Titre</TitleText></Heading>
<Section><MarginalNote>Définitions</MarginalNote><Label>2</Label><Text>Ces définitions s\u2019appliquent.</Text>
<Definition><Text>
<DefinedTermFr>ministre</DefinedTermFr> En est un. (<DefinedTermEn>Minister</DefinedTermEn>)</Text></Definition>
<Definition><Text>
<DefinedTermFr>poisson</DefinedTermFr> Un poisson. (<DefinedTermEn>fish</DefinedTermEn>)</Text></Definition>
</Section><Section><Label>3</Label>
<Subsection><Label>(1)</Label><Text>Il est <XRef>ici</XRef>. Il reste.</Text></Subsection>
<Subsection><Label>(3)</Label><Text>Autre chose.</Text></Subsection>
<Subsection><Label>(4)</Label><Text>C'est</Text>
<Paragraph><Label>(a)</Label><Text>l'un.</Text></Paragraph>
</Subsection></Section></Body></Statute>"""


def test_laws_are_joined_by_their_labels(tmp_path: Path) -> None:
    lay(tmp_path, {"eng/acts/F-1.xml": LAW, "fra/lois/F-1.xml": LOI, "eng/acts/F-2.xml": LAW})
    assert sorted(read_laws([tmp_path / "eng" / "acts"], [tmp_path / "fra" / "lois"])) == [
        ("An Act on fish", "Loi sur le poisson"),
        ("Definitions", "Définitions"),
        ("It is here. It stays.", "Il est ici. Il reste."),
        ("Minister", "ministre"),
        ("These definitions apply.", "Ces définitions s\u2019appliquent."),
        ("fish", "poisson"),
    ]


def test_a_place_that_occurs_twice_is_left_out(tmp_path: Path) -> None:
    twice = LAW.replace("<Text>These", "<Text>First of two.</Text><Text>These")
    lay(tmp_path, {"eng/F-1.xml": twice, "fra/F-1.xml": LOI})
    assert not any("definitions" in pair.english for pair in read_laws([tmp_path / "eng"], [tmp_path / "fra"]))


@pytest.mark.parametrize(
    ("english", "french"),
    [
        ("A-1.5.xml", "A-1.5.xml"),
        ("SOR-2019-1.xml", "DORS-2019-1.xml"),
        ("SI-85-12.xml", "TR-85-12.xml"),
        ("C.R.C.,_c._10.xml", "C.R.C.,_ch._10.xml"),
    ],
)
def test_regulations_have_other_names_in_french(english: str, french: str) -> None:
    assert french_name(english) == french


DOCBOOK = """<?xml version="1.0" encoding="utf-8"?>
<refentry xml:id="function.sum" xmlns="http://docbook.org/ns/docbook"><refnamediv><refname>sum</refname>
<refpurpose>{purpose}</refpurpose></refnamediv><refsect1>&reftitle.description;
<methodsynopsis><type>int</type></methodsynopsis>
<para><function>sum</function> {text}
 <parameter>array</parameter>.</para>
<para><example><title>{title}</title><programlisting><![CDATA[ echo "a & b"; ]]></programlisting></example></para>
<para>&note.unknown; {unknown}</para>{more}</refsect1></refentry>"""


def test_blocks_of_equal_structure_are_joined(tmp_path: Path) -> None:
    english = DOCBOOK.format(purpose="Add values", text="adds, in &php;,", title="Use", unknown="x", more="")
    french = DOCBOOK.format(purpose="Additionne", text="additionne, en &php;,", title="Usage", unknown="y", more="")
    longer = french.replace("</refsect1>", "<para>Encore.</para></refsect1>")
    broken = "<para>"
    lay(
        tmp_path,
        {f"{side}/{name}.xml": text for side, text in (("en", english), ("fr", french)) for name in "ab"}
        | {"fr/b.xml": longer, "en/c.xml": broken, "fr/c.xml": broken, "fr/d.xml": french},
    )
    assert [*read_docbook([tmp_path / "en"], [tmp_path / "fr"])] == [
        ("Add values", "Additionne"),
        ("sum adds, in PHP, array.", "sum additionne, en PHP, array."),
        ("Use", "Usage"),
    ]
