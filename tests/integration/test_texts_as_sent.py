"""Texts like those that people send, through the shipped models: nothing vanishes, nothing is invented, and all that is
not translated has its place. The kinds are those that users of translation services report."""

import re

import pytest

from seq2serve.pb import translation_pb2 as pb
from tests.integration.served import Served
from tests.integration.shipped_models import MODELS, translated

pytestmark = pytest.mark.asyncio(loop_scope="module")

JOINED = [
    ("A man is sleeping. A woman is reading a book. Two dogs are playing in the snow. A child eats an apple.", 4),
    ("Hello. How are you? I am fine!", 3),
    ("A dog runs.\nA cat sleeps.\n\nA man reads.", 3),
    ("A dog runs.\r\nA cat sleeps.\r\n\r\nA man reads.\r\n", 3),
    ("\tA dog runs.   A cat sleeps.\n\n\n  A man reads.  \n", 3),
    ("- A dog runs\n- A cat sleeps\n- A man reads", 3),
    ("1. Open the door.\n2. Close the window.\n10) Sit down.", 3),
    ("a) A dog runs.\nb) A cat sleeps.", 2),
    ("• A dog runs.\n• A cat sleeps.", 2),
    ("> A dog runs.\n> > A cat sleeps.", 2),
    ("# A dog\n\nA cat sleeps.", 2),
    ("Mr. Smith is sleeping. Dr. Brown is reading a book.", 2),
    ("J. R. R. Tolkien wrote a book. It is long.", 2),
    ("The dog weighs 3.5 kg. It is big.", 2),
    ("I live in the U.S. with my dog. He is big.", 2),
    ('"A dog runs." A cat sleeps.', 2),
    ("A dog runs... A cat sleeps.", 2),
    ("Really?! A dog runs!", 2),
    ("| A dog | A cat |\n|---|---|\n| A man | A child |", 4),
    ("name\tA dog runs.", 2),
    ("A dog runs.\u2028A cat sleeps.", 2),
    ("A dog runs. " * 40, 40),
]
"""Texts, and the number of their sentences that are translated."""


@pytest.mark.parametrize("model", MODELS)
async def test_a_text_is_the_translations_of_its_sentences_and_what_stands_between_them(
    served: Served, model: str
) -> None:
    answer = await served.translate(*(text for text, _ in JOINED), model=model)
    for (text, num_segments), translation in zip(JOINED, answer.translations, strict=True):
        spans = [
            segment
            for segment in translation.segments
            if segment.finish_reason != pb.FINISH_REASON_NOTHING_TO_TRANSLATE
        ]
        assert len(spans) == num_segments, text
        sentences = [text[segment.source_start : segment.source_end] for segment in spans]
        alone = dict(zip(sentences, await translated(served, *sentences, model=model), strict=True))
        pieces, end = [], 0
        for segment, sentence in zip(spans, sentences, strict=True):
            pieces += [text[end : segment.source_start], alone[sentence]]
            end = segment.source_end
        assert translation.translated_text == "".join([*pieces, text[end:]])


KEPT = [
    "",
    " ",
    "   ",
    "\n\n",
    "\t\r\n",
    "...",
    "***",
    "-",
    "—",
    "12:30",
    "3.14",
    "42",
    "😊",
    "👩‍👩‍👧‍👦",
    "🇫🇷",
    "你好世界",
    "Привет, мир!",
]
KEPT += [
    "مرحبا بالعالم",
    "{0}",
    "https://example.com/",
    "@anna",
    "#news",
    "%s",
    "====",
    "(1)",
    "1.",
    "- ",
    "…",
    "🙂 🙃",
    "\ufeff",
]


@pytest.mark.parametrize("model", MODELS)
async def test_what_has_nothing_to_translate_comes_back_as_it_is(served: Served, model: str) -> None:
    answer = await served.translate(*KEPT, model=model)
    assert [translation.translated_text for translation in answer.translations] == KEPT
    assert {translation.finish_reason for translation in answer.translations} == {pb.FINISH_REASON_NOTHING_TO_TRANSLATE}


WITH_SPANS = [
    ("I love dogs 🐶", ["🐶"]),
    ("Hello! 😊 How are you?", ["😊"]),
    ("A dog 🐕‍🦺 runs in the park 👍🏽.", ["🐕‍🦺", "👍🏽"]),
    ("The man says Привет to the dog.", ["Привет"]),
    ("The woman says 你好 and こんにちは.", ["你好", "こんにちは"]),
    ("It costs £5.", ["£5"]),
    ("It costs 18.50 € or $20.99.", ["18.50", "$20.99"]),
    ("Visit https://www.example.com/path/page.html?id=42 for more.", ["https://www.example.com/path/page.html?id=42"]),
    ("See (https://example.com/a_(b)) now.", ["https://example.com/a_(b)"]),
    ("Write to jane.doe@example.org about the dog.", ["jane.doe@example.org"]),
    ("Hello {0}, you have %s new messages.", ["{0}", "%s"]),
    ("The file {filename} was not found.", ["{filename}"]),
    ("Welcome back, {{ user.first_name }}!", ["{{ user.first_name }}"]),
    ('The file "%(file)s" is in ${HOME}.', ["%(file)s", "${HOME}"]),
    ("The number is 1234567890.", ["1234567890"]),
    ("He was born on 2024-03-15 at 12:30.", ["2024-03-15", "12:30"]),
    ("Call +33 1 55 00 12 34 now.", ["+33 1 55 00 12 34"]),
    (r"Open C:\Users\anna\notes.txt now.", [r"C:\Users\anna\notes.txt"]),
    ("The dog of @anna is in #general today.", ["@anna", "#general"]),
    ("Click <b>here</b> now.", ["<b>", "</b>"]),
    ("A ™ sign and a ² sign.", ["™", "²"]),
]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("beam_size", [1, 5])
async def test_what_no_model_may_touch_is_there_exactly_once_and_in_order(
    served: Served, model: str, beam_size: int
) -> None:
    outputs = await translated(
        served, *(text for text, _ in WITH_SPANS), model=model, decoding={"beam_size": beam_size}
    )
    for (text, spans), output in zip(WITH_SPANS, outputs, strict=True):
        positions = [output.find(span) for span in spans]
        assert -1 not in positions, (text, output)
        assert positions == sorted(positions), (text, output)
        assert all(output.count(span) == 1 for span in spans), (text, output)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A dog runs 🐶", "Un chien court 🐶"),
        ("• A dog runs.", "• Un chien court."),
        ("(A dog runs.)", None),
        ("The man says Привет to the dog.", "L'homme dit Привет au chien."),
        ("The number is 1234567890.", "Le nombre est 1234567890."),
    ],
)
async def test_words_around_a_span_are_translated_as_without_it(
    served: Served, text: str, expected: str | None
) -> None:
    [output] = await translated(served, text)
    assert output == (expected or output)


SAME = [
    ("“A dog runs,” he said.", '"A dog runs," he said.'),
    ("The dog’s house is big.", "The dog's house is big."),
    ("The dog‘s house is big.", "The dog's house is big."),
    ("A dog — a poodle — runs.", "A dog - a poodle - runs."),
    ("A dog runs…", "A dog runs..."),
    ("A do\u200bg runs.", "A dog runs."),
    ("A dog\u00adhouse is big.", "A doghouse is big."),
    ("\u202eA dog runs.\u202c", "A dog runs."),
    ("A\u00a0dog\u202fruns.", "A dog runs."),
    ("Ａ ｄｏｇ ｒｕｎｓ.", "A dog runs."),
    ("A dog\u0001runs.", "A dog runs."),
    ("A \ufb01ne dog.", "A fine dog."),
    ("A cafe\u0301 is big.", "A café is big."),
]


async def test_what_means_the_same_is_translated_the_same(served: Served) -> None:
    odd = await translated(served, *(text for text, _ in SAME))
    plain = await translated(served, *(text for _, text in SAME))
    assert odd == plain


@pytest.mark.parametrize("model", MODELS)
async def test_capitals_are_translated_as_small_letters_and_answered_in_capitals(served: Served, model: str) -> None:
    capitals = ["A DOG RUNS IN THE PARK.", "TWO MEN ARE SLEEPING!", "STOP {name} NOW."]
    small = ["A dog runs in the park.", "Two men are sleeping!", "Stop {name} now."]
    outputs = await translated(served, *capitals, model=model)
    plain = await translated(served, *small, model=model)
    assert [output.replace("{name}", "") for output in outputs] == [
        output.replace("{name}", "").upper() for output in plain
    ]
    assert "{name}" in outputs[2]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(
    "decoding", [{}, {"beam_size": 4}, {"temperature": 1.0, "seed": 3}, {"return_token_scores": True}]
)
async def test_a_translation_of_something_is_never_empty(
    served: Served, model: str, decoding: dict[str, object]
) -> None:
    words = ["never", "always", "a", "I", "dog", "Yes.", "No!", "the", "Why?", "!a"]
    assert all(map(str.strip, await translated(served, *words, model=model, decoding=decoding)))


async def test_a_listed_text_is_not_translated(served: Served) -> None:
    [output] = await translated(served, "The band Black Keys plays music.", do_not_translate=["Black Keys"])
    assert output.count("Black Keys") == 1
    [other] = await translated(served, "The black keys are old.", do_not_translate=["Black Keys"])
    assert "Black Keys" not in other


async def test_a_prefix_is_in_the_answer_as_it_was_given(served: Served) -> None:
    for prefix in ("Un chien", "Un  chien", "« Un chien", "😊 Un", "UN CHIEN", "Un", "你好"):
        [output] = await translated(served, "A dog runs. A cat sleeps.", decoding={"target_prefix": prefix})
        assert output.startswith(prefix)
        assert output.endswith("Un chat dort.")


async def test_lines_and_whole_contents_are_segments_where_that_is_asked_for(served: Served) -> None:
    text = "A dog runs. A cat sleeps.\nA man reads."
    for splitting, num_segments in (
        (pb.SENTENCE_SPLITTING_SENTENCES, 3),
        (pb.SENTENCE_SPLITTING_LINES, 2),
        (pb.SENTENCE_SPLITTING_NONE, 1),
    ):
        [translation] = (await served.translate(text, split_sentences=splitting)).translations
        assert len(translation.segments) == num_segments


async def test_a_long_sentence_is_cut_and_says_so(served: Served) -> None:
    [translation] = (await served.translate("dog " * 600 + "dog.", model="transformer-en-fr")).translations
    assert all(segment.is_cut for segment in translation.segments)
    assert len(re.findall("chien", translation.translated_text)) > 50


@pytest.mark.parametrize("model", MODELS)
async def test_what_is_streamed_is_what_is_answered(served: Served, model: str) -> None:
    contents = [*(text for text, _ in JOINED[:-1]), *(text for text, _ in WITH_SPANS), *KEPT[:8]]
    answer = await served.translate(*contents, model=model)
    messages = await served.stream(*contents, model=model)
    for index, translation in enumerate(answer.translations):
        own = [message for message in messages if message.content_index == index]
        assert "".join(message.text_delta for message in own) == translation.translated_text
        assert own[-1].translation.translated_text == translation.translated_text
        assert list(own[-1].translation.segments) == list(translation.segments)


async def test_a_span_may_be_a_word_of_its_sentence(served: Served) -> None:
    sentences = ["{} is sleeping.", "They eat with {} every morning."]
    for placeholder in ("{name}", "李明"):
        outputs = await translated(served, *(sentence.format(placeholder) for sentence in sentences))
        plain = await translated(served, *(sentence.format("Tom") for sentence in sentences))
        assert outputs == [output.replace("Tom", placeholder) for output in plain]
        paragraphs = [f"<p>{sentence.format(placeholder)}</p>" for sentence in sentences]
        in_html = await translated(served, *paragraphs, mime_type="text/html")
        assert in_html == [f"<p>{output}</p>" for output in outputs]


async def test_a_segment_that_is_decoded_twice_is_told_once_with_its_own_tokens(served: Served) -> None:
    decoding = {"return_alignment": True, "return_token_scores": True, "beam_size": 4, "num_hypotheses": 3}
    [translation] = (
        await served.translate("{name} is sleeping.", model="transformer-en-fr", decoding=decoding)
    ).translations
    assert translation.translated_text == "{name} dort."
    assert len({hypothesis.translated_text for hypothesis in translation.hypotheses}) == len(translation.hypotheses)
    best = translation.hypotheses[0]
    assert best.word_alignment.split()[0] == "0-0"
    assert all(len(token.alignment) == len(translation.source_tokens) for token in best.tokens)
    messages = await served.stream("{name} is sleeping.", model="transformer-en-fr", decoding=decoding)
    told = [token for message in messages for token in message.tokens]
    assert [token.token for token in told] == [token.token for token in best.tokens]
