from dataclasses import replace

import pytest

from server.text.placing import Placed, Translated, place
from server.text.segment import Segment
from tests.fakes import all_at_once
from tests.text.taken_out import check, taken_out, with_output


def placed(marked: str, output: str, pairs: str | None = None, *, is_html: bool | None = None) -> str:
    translated = with_output(taken_out(marked, is_html=is_html), output, pairs)
    result = all_at_once(place(translated))
    check(translated, result)
    return result.text


SENTENCES = [
    # the words in their order
    ("Visit ⟦http://a.b⟧ for more.", "Visitez pour plus.", "0-0 1-1 2-2 3-3", "Visitez http://a.b pour plus."),
    ("Hello ⟦{0}⟧, you have ⟦%s⟧ new messages.", "Bonjour, vous avez nouveaux messages.", None,
     "Bonjour {0}, vous avez %s nouveaux messages."),
    ("The file ⟦{name}⟧ was not found.", "Le fichier n'a pas été trouvé.", "0-0 1-1 3-2 3-3 2-4 4-5 5-6",
     "Le fichier {name} n'a pas été trouvé."),
    # at the beginning and at the end
    ("⟦@jane⟧ sleeps", "dort", "0-0", "@jane dort"),
    ("⟦@jane⟧, come here", ", viens ici", None, "@jane, viens ici"),
    ("I love dogs ⟦🐶⟧", "J'adore les chiens", "0-0 1-0 2-1 2-2", "J'adore les chiens 🐶"),
    ("I love dogs. ⟦🐶⟧", "J'adore les chiens.", None, "J'adore les chiens. 🐶"),
    ("I love dogs ⟦🐶⟧", "J'adore les chiens.", None, "J'adore les chiens. 🐶"),
    ("Stop!⟦🛑⟧", "Arrêtez", None, "Arrêtez 🛑"),
    ("The number is ⟦1234567890⟧.", "Le numéro est.", None, "Le numéro est 1234567890."),
    ("Where is ⟦{name}⟧?", "Où est ?", "0-0 1-1 2-2", "Où est {name} ?"),
    ("Where is ⟦{name}⟧?", "Wo ist?", "0-0 1-1 2-2", "Wo ist {name}?"),
    ('He said "it is ⟦{0}⟧."', 'Il a dit "c\'est."', None, 'Il a dit "c\'est {0}."'),
    ("I saw ⟦{0}⟧ yesterday.", "Gestern sah ich.", "2-0 1-1 0-2 3-3", "Gestern sah ich {0}."),
    # written together with something
    ("It costs ⟦£⟧5.", "Il coûte 5.", None, "Il coûte £5."),
    ("the ⟦£⟧5 note", "le billet de 5", "0-0 2-1 1-2 1-3", "le billet de £5"),
    ("It is ⟦{0}⟧% of it.", "C'est % de cela.", "0-0 1-0 2-1 3-2 4-3 5-4", "C'est {0}% de cela."),
    ("Look (⟦http://a.b⟧) here", "Regardez () ici", None, "Regardez (http://a.b) ici"),
    ("Look (⟦http://a.b⟧) here", "Regardez ( ) ici", None, "Regardez (http://a.b) ici"),
    ("Look (⟦http://a.b⟧) here", "Regardez ici", "0-0 3-1", "Regardez http://a.b ici"),
    ('The "⟦{name}⟧" file', 'Le fichier ""', "0-0 3-1 1-2 2-3", 'Le fichier "{name}"'),
    ('The "⟦{name}⟧" file', "Le fichier « »", "0-0 3-1 1-2 2-3", "Le fichier « {name} »"),
    ("the ⟦{n}⟧th dog", "le ième chien", "0-0 1-1 2-2", "le {n}ième chien"),
    ("a ⟦{0}⟧-⟦{1}⟧ score", "un score -", "0-0 2-1 1-2", "un score {0}-{1}"),
    ("in ⟦{0}⟧, dogs", "in , Hunde", "0-0 1-1 2-2", "in {0}, Hunde"),
    ("Note ⟦{0}⟧: run", "Remarque : cours", "0-0 1-1 2-2", "Remarque {0} : cours"),
    ("⟦{0}⟧: run", ": cours", None, "{0}: cours"),
    ("run (now) ⟦{0}⟧", "cours (maintenant)", None, "cours (maintenant) {0}"),
    ("about ⟦{0}⟧% of it", "environ pour cent de cela", "0-0 1-1 1-2 2-3 3-4", "environ {0} pour cent de cela"),
    ("the ⟦{0}⟧ dog", "le (chien)", "0-0 0-1 1-2 1-3", "le ({0} chien)"),
    ("the ⟦{0}⟧ dog", "le (chien)", "0-0 1-1 1-2 1-3", "le {0} (chien)"),
    ("dogs, ⟦{0}⟧ too", "auch, Hunde", "2-0 1-1 0-2", "auch, Hunde {0}"),
    ("give ⟦{0}⟧ to ⟦{1}⟧!", "donnez à !", "0-0 1-1 2-2", "donnez {0} à {1} !"),
    # markup stays with what it opens or closes, whatever that has become
    ("⟦<b>⟧Good morning⟦</b>⟧ everyone.", "Bonjour à tous.", "0-0 1-0 2-1 2-2 3-3", "<b>Bonjour</b> à tous."),
    ("It is ⟦**⟧very⟦**⟧ big", "Das ist sehr gross", "0-0 1-1 2-2 3-3", "Das ist **sehr** gross"),
    ("a ⟦*⟧big⟦*⟧ dog", "un chien gros", "0-0 2-1 1-2", "un chien *gros*"),
    ("the price⟦*⟧ is fair", "gerecht ist der Preis", "3-0 2-1 0-2 1-3", "gerecht ist der Preis*"),
    # tags that stand alone
    ("dogs ⟦<img>⟧ run", "chiens courent", None, "chiens <img> courent"),
    ("dogs⟦<wbr>⟧ run", "chiens courent", None, "chiens<wbr> courent"),
    ("dog⟦<wbr>⟧house", "doghouse", None, "dog<wbr>house"),
    ("dog⟦<wbr>⟧house", "chenil", None, "chenil<wbr>"),
    ("⟦<img>⟧⟦{0}⟧⟦<img>⟧ run", "courent", None, "<img>{0}<img> courent"),
    # several
    ("dogs ⟦😊⟧⟦🐶⟧ ⟦{0}⟧ run", "chiens courent", "0-0 1-1", "chiens 😊🐶 {0} courent"),
    ("⟦{a}⟧ red ⟦{b}⟧ car ⟦{c}⟧", "voiture rouge", "1-0 0-1", "{a} voiture rouge {b} {c}"),
    ("⟦{a}⟧ ⟦{b}⟧", "", None, "{a} {b}"),
    ("⟦{a}⟧\u00a0⟦{b}⟧ dogs", "chiens", "0-0", "{a}\u00a0{b} chiens"),
    ("dogs ⟦{a}⟧", "", None, "dogs {a}"[5:]),
    # never inside a word
    ("the ⟦{0}⟧ man", "l'homme", "0-0 1-0", "l'homme {0}"),
    ("it is ⟦{0}⟧ 3.5 kg", "3.5 kg", "2-0 3-1", "{0} 3.5 kg"),
    # without blanks
    ("Hello ⟦{name}⟧, welcome", "你好，欢迎", "0-0 0-1 1-2 2-3 2-4", "你好 {name}，欢迎"),
    ("你好⟦{name}⟧欢迎", "hello welcome", "0-0 1-0 2-1 3-1", "hello {name} welcome"),
    ("你好⟦{name}⟧欢迎", "こにようこそ", "0-0 1-1 2-2 2-3 3-4 3-5", "こに{name}ようこそ"),
]  # fmt: skip


@pytest.mark.parametrize(("marked", "output", "pairs", "expected"), SENTENCES)
def test_a_protected_span_is_where_it_stood(marked: str, output: str, pairs: str | None, expected: str) -> None:
    assert placed(marked, output, pairs) == expected


def test_spans_keep_their_order_where_what_they_are_glued_to_does_not() -> None:
    text = placed("⟦+⟧ the ⟦£⟧5 dog ⟦{n}⟧th cat", "th cat 5 dog", "3-0 4-1 1-2 2-3")
    assert text in ("+ £ {n}th cat 5 dog", "+ th cat £5 {n} dog", "+ th cat £5 dog {n}")


ELEMENTS = [
    ("<b>red</b> car", "voiture rouge", "1-0 0-1", "voiture <b>rouge</b>"),
    ("<b>red</b> <i>car</i>", "voiture rouge", "1-0 0-1", "<i>voiture</i> <b>rouge</b>"),
    ("<b>red car</b>", "voiture rouge", "1-0 0-1", "<b>voiture rouge</b>"),
    ("<p>a <b>red</b> car</p>", "une voiture rouge", "0-0 2-1 1-2", "<p>une voiture <b>rouge</b></p>"),
    ("<a><b><i>red</i></b></a> car", "voiture rouge", "1-0 0-1", "voiture <a><b><i>rouge</i></b></a>"),
    ("<b>red, big</b> car.", "voiture rouge, grande.", "3-0 0-1 1-2 2-3 4-4", "voiture <b>rouge, grande</b>."),
    ('This is <a href="/rex?id=1&amp;v=2">⟦Rex⟧</a>, a dog.', "C'est, un chien.", None,
     'C\'est <a href="/rex?id=1&amp;v=2">Rex</a>, un chien.'),
    ("Look <b>at ⟦{0}⟧</b> now", "Regardez maintenant", "0-0 1-0 2-1", "Regardez <b>{0}</b> maintenant"),
    ("the <b>big</b> dog", "le chien", "0-0 2-1", "le <b></b>chien"),
    ("the <b><i>big</i></b> dog", "le chien", "0-0 2-1", "le <b><i></i></b>chien"),
    ("the<b></b> dog", "le chien", "0-0 1-1", "le<b></b> chien"),
    ("the <b></b>dog", "le chien", "0-0 1-1", "le <b></b>chien"),
    ("the do<b></b>g runs", "le chien court", "0-0 1-1 2-2", "le chien<b></b> court"),
    ("<b>dog</b>house", "chenil", "0-0", "<b>chenil</b>"),
    ("the <b> dog </b> runs", "le chien court", "0-0 1-1 2-2", "le <b>chien</b> court"),
    ("Tom & <b>Jerry</b> < you", "Tom & Jerry < toi", None, "Tom &amp; <b>Jerry</b> &lt; toi"),
    ("see <a>⟦<img>⟧</a> here", "voir ici", "0-0 1-1", "voir <a><img></a> ici"),
    ("<a>the dog <b></b></a> runs", "le chien court", None, "<a>le chien<b></b></a> court"),
    ("<b>dogs</b>", "", None, "<b></b>"),
    ("<b>⟦{0}⟧</b> <i>⟦{1}⟧</i>", "", None, "<b>{0}</b> <i>{1}</i>"),
    ("<b>not</b> eat", "ne mange pas", "0-0 1-1 0-2", "<b>ne</b> mange pas"),
    ("<b>dogs run</b>", "les chiens courent bien", None, "<b>les chiens courent bien</b>"),
]  # fmt: skip


@pytest.mark.parametrize(("marked", "output", "pairs", "expected"), ELEMENTS)
def test_tags_are_around_the_words_that_translate_what_they_enclosed(
    marked: str, output: str, pairs: str | None, expected: str
) -> None:
    assert placed(marked, output, pairs, is_html=True) == expected


@pytest.mark.parametrize(
    ("marked", "to_very", "expected"),
    [
        ("a <b>very</b> big dog", 0.3, "un <b>très</b> gros chien"),
        ("a <a><b>very</b></a> big dog", 0.3, "un <a><b>très</b></a> gros chien"),
        ("a <b>very</b> big dog", 0.02, "un <b></b>très gros chien"),  # as good as nothing
        ("a <b>very</b> <i>big</i> dog", 0.3, "un <b></b><i>très gros</i> chien"),  # a sibling has it
    ],
)
def test_an_element_of_a_word_that_is_no_words_first_choice_has_the_one_that_attends_to_it(
    marked: str, to_very: float, expected: str
) -> None:
    translated = with_output(taken_out(marked, is_html=True), "un très gros chien", "0-0 2-1 2-2 3-3")
    assert translated.attention is not None
    translated.attention[1] = [0, to_very, 1 - to_very, 0]
    result = all_at_once(place(translated))
    check(translated, result)
    assert result.text == expected


def test_an_element_that_lost_its_words_is_in_no_sibling() -> None:
    text = placed("<a>big</a> <b>old dog</b>", "vieux chien", "1-0 2-1")
    assert text in ("<a></a> <b>vieux chien</b>", "<a></a><b>vieux chien</b>")


def test_capitals_are_the_models_text_alone_and_offsets_know_what_grew() -> None:
    translated = replace(with_output(taken_out("THE ⟦{name}⟧ STREET"), "die straße da", "0-0 1-1 1-2"), is_upper=True)
    result = all_at_once(place(translated))
    assert result.text == "DIE {name} STRASSE DA"
    check(translated, result)
    assert result.offsets[11] == result.text.index("DA")


def test_capitals_and_html_without_spans_or_elements() -> None:
    segment = Segment("A & B", range(6), is_html=True)
    result = all_at_once(place(Translated(segment, "A & B", range(6), (), (), "a & ß", is_upper=True)))
    assert result == Placed("A &amp; SS", [0, 1, 2, 7, 8, 10], ())


def test_what_has_nothing_to_be_placed_is_as_the_model_wrote_it() -> None:
    segment = Segment("a  dog <b>", range(11))
    assert all_at_once(place(Translated(segment, segment.text, range(11), (), (), "un  chien <b>"))) == Placed(
        "un  chien <b>", range(14), ()
    )


@pytest.mark.parametrize(
    ("marked", "output", "given", "expected"),
    [
        ("⟦☎⟧ dog", "Le chien", "Le", "Le ☎ chien"),
        ("⟦☎⟧ dog", "Le  chien", "Le  ", "Le  ☎ chien"),
        ("⟦☎⟧ dog", "pommes", "pom", "pommes ☎"),
        ("⟦☎⟧", "Le.", "Le.", "Le. ☎"),
        ("dog ⟦☎⟧ runs.", "Le chien court.", "Le chien court", "Le chien court ☎."),
        ("⟦☎⟧dog", "\u200bchien", "\u200b", "\u200b☎chien"),
    ],
)
def test_nothing_comes_before_what_was_given(marked: str, output: str, given: str, expected: str) -> None:
    translated = replace(with_output(taken_out(marked), output), num_given=len(given))
    result = all_at_once(place(translated))
    assert result.text == expected
    check(translated, result)


def test_what_was_given_is_not_in_capitals() -> None:
    translated = replace(with_output(taken_out("THE ⟦{0}⟧ DOG"), "le chien"), num_given=4, is_upper=True)
    assert all_at_once(place(translated)).text == "le cHIEN {0}"


@pytest.mark.parametrize(
    ("marked", "output", "pairs", "term", "expected"),
    [
        ("the ⟦#s⟧ dog", "le gros chien", "0-0 0-1 1-2", "le gros chien", "le gros chien #s"),
        ("the ⟦#s⟧ dog", "le gros chien", "0-0 0-1 1-2", "gros chien", "le #s gros chien"),
        ("dog ⟦#s⟧ dog", "le chien le chien", "0-0 0-1 1-2 1-3", "le chien", "le chien #s le chien"),
        ("dog ⟦#s⟧.", "chien etc.", "0-0 1-1", "etc.", "chien etc. #s"),
    ],
)
def test_nothing_goes_into_a_term(marked: str, output: str, pairs: str, term: str, expected: str) -> None:
    terms = [(at, at + len(term)) for at in range(len(output)) if output.startswith(term, at)]
    translated = replace(with_output(taken_out(marked), output, pairs), terms=terms)
    result = all_at_once(place(translated))
    assert result.text == expected
    check(translated, result)


@pytest.mark.parametrize(
    ("marked", "output", "pairs", "expected"),
    [
        ("dog ⟦<b>⟧ <a>big</a>", "gros chien", "1-0 0-1", "gros chien <b><a></a>"),
        ("<a>dog</a> ⟦<b>⟧ big", "gros chien", "1-0 0-1", "gros <a>chien</a> <b>"),
        ("dog ⟦<b>⟧ <a>big</a>", "chien gros", "0-0 1-1", "chien <b> <a>gros</a>"),
        ("dog ⟦<br>⟧ <a>big</a>", "gros chien", "1-0 0-1", "<a>gros</a> chien <br>"),
        ("dog ⟦<b></b>⟧ <a>big</a>", "gros chien", "1-0 0-1", "<a>gros</a> chien <b></b>"),
    ],
)
def test_no_element_goes_over_a_tag_whose_partner_is_elsewhere(
    marked: str, output: str, pairs: str, expected: str
) -> None:
    assert placed(marked, output, pairs, is_html=True) == expected
