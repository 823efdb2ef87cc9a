from models.data.download.pair import Pair, split_sentences


def test_as_many_sentences_on_both_sides_are_pairs() -> None:
    block = Pair("Call again! Dr. Hill is out.", "Rappelez. Le Dr Hill est sorti.")
    assert [*split_sentences(block)] == [
        ("Call again!", "Rappelez."),
        ("Dr. Hill is out.", "Le Dr Hill est sorti."),
    ]


def test_unequally_many_sentences_stay_together() -> None:
    block = Pair("He left. She stayed.", "Il partit, elle resta.")
    assert [*split_sentences(block)] == [block]
