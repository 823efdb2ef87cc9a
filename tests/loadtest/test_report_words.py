"""What the report says, against records of which one knows what it has to say."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from loadtest.records import Record, ServerSide
from loadtest.report.decision import advise
from loadtest.report.findings import Findings
from loadtest.report.quality import Quality, read_quality
from loadtest.report.trust_sections import doubt_section, error_section, machine_section, noise_words, server_section
from tests.loadtest.synthetic import case, exact

RATES = (50, 100, 500, 1000, 1500, 2000)
QUALITY = Quality(
    "quality.md", "flickr", {("rnn-en-fr", 1): 11.0, ("lstm-en-fr", 1): 34.0, ("transformer-en-fr", 1): 57.0}
)


def sweep(knees: Mapping[str, float], latency_ms: Mapping[str, float], rates: Sequence[float] = RATES) -> list[Record]:
    """Each model answers in its time up to its knee, and in a second above."""
    return [
        exact(case(name), rate, latency_ms[name] if rate <= knee else 1000.0)
        for name, knee in knees.items()
        for rate in rates
    ]


def advice(records: Sequence[Record], quality: Quality | None = QUALITY) -> list[str]:
    return advise(Findings(records, quality))


FAST = {"rnn": 2.0, "lstm": 3.0, "transformer": 8.0}


def test_the_best_translations_that_hold_the_rate_are_advised() -> None:
    fifty, five_hundred, more = advice(sweep({"rnn": 2000, "lstm": 1500, "transformer": 500}, FAST))
    facts = "(BLEU 57.0; p50 8.00 and p99 8.00 ms; holds 500 a second)"
    assert fifty.startswith(f"**50 sentences a second:** take **transformer** {facts}")
    assert "Soonest answers: rnn (BLEU 11.0; p50 2.00 and p99 2.00 ms; holds at least 2,000 a second)" in fifty
    assert "Too slow" not in fifty
    assert five_hundred.startswith("**500 sentences a second:** take **transformer**")
    assert more.startswith("**1,500 sentences a second:** take **lstm**")
    assert "Better translations: transformer (BLEU 57.0) on 3 such machines." in more
    assert more.endswith("Too slow for it here: transformer.")


def test_other_numbers_lead_to_other_advice() -> None:
    _, five_hundred, more = advice(sweep({"rnn": 2000, "lstm": 1000, "transformer": 100}, FAST))
    assert "take **lstm**" in five_hundred
    assert "Too slow for it here: transformer." in five_hundred
    assert "take **rnn**" in more
    assert "Too slow for it here: lstm and transformer." in more
    _, five_hundred, more = advice(sweep({"rnn": 50, "lstm": 50, "transformer": 1500}, FAST))
    assert "take **transformer**" in more
    assert "Soonest" not in five_hundred


def test_of_models_that_translate_alike_the_faster_one_is_advised() -> None:
    alike = Quality("", "", {("rnn-en-fr", 1): 33.4, ("lstm-en-fr", 1): 34.0, ("transformer-en-fr", 1): 20.0})
    assert "take **rnn**" in advice(sweep(dict.fromkeys(FAST, 1500), FAST), alike)[0]
    apart = Quality("", "", {("rnn-en-fr", 1): 32.0, ("lstm-en-fr", 1): 34.0, ("transformer-en-fr", 1): 20.0})
    assert "take **lstm**" in advice(sweep(dict.fromkeys(FAST, 1500), FAST), apart)[0]


def test_without_known_quality_the_one_that_answers_soonest_is_advised() -> None:
    first = advice(sweep({"rnn": 100, "transformer": 1500}, FAST), quality=None)
    assert first[0].startswith("**50 sentences a second:** take **rnn** (p50 2.00")
    assert "take **transformer**" in first[1]


def test_what_no_model_holds_takes_several_machines() -> None:
    *_, more = advice(sweep({"rnn": 500, "lstm": 100, "transformer": 100}, FAST))
    assert "more than this machine holds" in more
    assert "Take **rnn** on 3 such machines (500 a second each)" in more
    assert "for better translations transformer on 15" in more


def test_what_was_not_measured_is_not_advised() -> None:
    *_, more = advice(sweep({"rnn": 2000, "lstm": 2000}, FAST, rates=(50, 500)))
    assert "not measured" in more
    assert "held 500 a second, the highest rate" in more


def test_rates_that_are_not_believed_hold_nothing() -> None:
    records = [
        replace(record, saturated="late") if record.rate > 500 else record for record in sweep({"rnn": 2000}, FAST)
    ]
    assert "not measured" in advice(records)[-1]


def test_where_nothing_holds_nothing_is_advised() -> None:
    for line in advice(sweep({"rnn": 0}, FAST)):
        assert "none of the models held" in line


def test_latencies_are_those_of_the_next_higher_measured_rate() -> None:
    _, five_hundred, _ = advice(sweep({"rnn": 2000}, FAST, rates=(50, 640, 2000)))
    assert "p99 2.00 ms at 640 a second; holds at least 2,000 a second" in five_hundred


def test_the_cache_is_compared_with_none() -> None:
    latencies = {"transformer": 8.0, "transformer-without-cache": 30.0}
    *_, words = advice(sweep({"transformer": 1000, "transformer-without-cache": 100}, latencies))
    assert words == (
        "**The KV cache:** transformer holds 1,000 a second with it and 100 a second without, 10.0 times as much."
    )
    *_, words = advice(sweep({"transformer": 1000, "transformer-without-cache": 0}, latencies))
    assert words.endswith("and no measured rate without.")


def test_what_a_beam_costs_is_told_against_greedy_decoding_at_the_same_rate() -> None:
    quality = Quality("", "", QUALITY.bleu | {("lstm-en-fr", 4): 36.5})
    beam = {"beam_size": 4}
    greedy = sweep({"lstm": 1000}, {"lstm": 3.0})
    searched = [exact(case("lstm", beam), rate, 9.0 if rate <= 100 else 900.0) for rate in (50, 100, 500)]
    *_, words = advice([*greedy, *searched], quality)
    assert words == (
        "**What beam size 4 costs**, against greedy decoding: lstm 3.0 times the p50 and 10% of the knee for +2.5 BLEU."
    )
    *_, words = advice([*greedy, searched[0]], quality)  # whose knee nobody has looked for
    assert words.endswith("lstm 3.0 times the p50 for +2.5 BLEU.")


@pytest.mark.parametrize(
    ("client", "server", "flagged"), [(10.9, 10.0, False), (11.1, 10.0, True), (8.9, 10.0, True), (9.1, 10.0, False)]
)
def test_a_client_that_differs_from_the_server_by_over_a_tenth_is_flagged(
    client: float, server: float, flagged: bool
) -> None:
    own = ServerSide(p50_ms=server, p99_ms=client)
    section = server_section(Findings([exact(case("rnn"), 50, client, server=own)], None))
    assert section
    assert section.paragraphs[0].startswith(f"**{int(flagged)} of 1 measurements differ")
    assert section.tables[0].rows[0][-1] == ("differs" if flagged else "")
    own = ServerSide(p50_ms=client, p99_ms=server)
    section = server_section(Findings([exact(case("rnn"), 50, client, server=own)], None))
    assert section
    assert section.tables[0].rows[0][-1] == ("differs" if flagged else "")


def test_a_server_that_tells_nothing_is_not_compared() -> None:
    assert server_section(Findings([exact(case("rnn"), 50, 1.0)], None)) is None


@pytest.mark.parametrize(
    ("times", "word"), [((10.0, 10.2), "quiet"), ((10.0, 11.0), "fairly quiet"), ((10.0, 13.0), "noisy")]
)
def test_the_machine_is_called_what_the_calibration_loop_says(times: tuple[float, float], word: str) -> None:
    records = [exact(case("rnn"), 50, 1.0, number, calibration_ms=time) for number, time in enumerate(times * 2)]
    words = noise_words(Findings(records, None))
    assert f"was **{word}**" in words
    assert ("mean little" in words) == (word != "quiet")


def test_one_measurement_in_twenty_at_either_end_does_not_make_a_machine_noisy() -> None:
    records = [exact(case("rnn"), 50, 1.0, number, calibration_ms=10.0) for number in range(40)]
    records[7] = exact(case("rnn"), 50, 1.0, 7, calibration_ms=300.0)
    assert "**quiet**" in noise_words(Findings(records, None))


def test_the_noise_stands_beside_every_measurement() -> None:
    records = [exact(case("rnn"), rate, 1.0, 0, calibration_ms=10.0) for rate in (50, 100)]
    records += [exact(case("rnn"), 50, 1.5, 1, calibration_ms=12.0), exact(case("rnn"), 100, 1.0, 1)]
    noise = machine_section(Findings(records, None)).tables[1].rows
    assert [row[1:] for row in noise] == [["1.10", "18%", "40%"], ["1.00", "0", "0"]]


def test_errors_are_told_by_code_with_their_share() -> None:
    failed = exact(case("rnn"), 50, [1.0] * 94, 0, {"INTERNAL": 1, "RESOURCE_EXHAUSTED": 5})
    rows = error_section(Findings([failed, exact(case("lstm"), 50, 1.0)], None)).tables[0].rows
    assert [row[1:] for row in rows] == [["RESOURCE_EXHAUSTED", "5", "5%"], ["INTERNAL", "1", "1%"]]
    assert error_section(Findings([exact(case("rnn"), 50, 1.0)], None)).tables == []


def test_what_is_not_believed_is_told_with_its_reason() -> None:
    section = doubt_section(Findings([exact(case("rnn"), 50, 1.0, 2, saturated="began calls late")], None))
    assert section.tables[0].rows[0][:2] == ["rnn: single, unary, greedy, 50/s, round 3", "began calls late"]
    assert doubt_section(Findings([exact(case("rnn"), 50, 1.0)], None)).tables == []


def test_quality_is_read_from_the_table_of_the_project_s_page() -> None:
    quality = read_quality(Path("docs/quality.md"))
    assert quality.test_set == "multi30k/test_2016_flickr"
    greedy, beam = quality.of("transformer-en-fr", {}), quality.of("transformer-en-fr", {"beam_size": 5})
    assert greedy is not None
    assert beam is not None
    assert 50 < greedy <= beam < 65
    assert quality.of("lstm-en-fr", {"beam_size": 4}) is None
    assert quality.of("transformer-en-fr", {"sampling": {}}) is None
    assert quality.of("unknown", {}) is None


def test_quality_of_several_test_sets_is_that_of_the_first(tmp_path: Path) -> None:
    table = "text\n\n| system | test set | decoding | BLEU | chrF |\n|---|---|---|---|---|\n"
    table += "| a | x | greedy | 1.5 ± 0.1 | 9 |\n| | | beam 5 | 2.5 | 9 |\n"
    table += "| a | y | greedy | 7 | 9 |\n| b | x | greedy | 3 | 9 |\n"
    other = "\n| system | speed |\n|---|---|\n| a | 3 |\n"
    (tmp_path / "quality.md").write_text(table + other, encoding="utf-8")
    quality = read_quality(tmp_path / "quality.md")
    assert quality.test_set == "x"
    assert quality.bleu == {("a", 1): 1.5, ("a", 5): 2.5, ("b", 1): 3.0}


def test_a_page_without_such_a_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "quality.md").write_text("| a | b |\n|---|---|\n| 1 | 2 |\n", encoding="utf-8")
    with pytest.raises(ValueError, match="system, test set, decoding, BLEU"):
        read_quality(tmp_path / "quality.md")
