import json
from pathlib import Path

from tests.e2e.processes import ROOT, run


def test_the_engine_is_compared_with_ctranslate2_on_the_same_weights(tmp_path: Path) -> None:
    output = tmp_path / "bench.json"
    sentences = tmp_path / "sentences.txt"
    lines = (ROOT / "loadtest" / "sentences.txt").read_text(encoding="utf-8").splitlines()
    sentences.write_text("".join(f"{line}\n" for line in lines[:20]), encoding="utf-8")
    done = run(
        "loadtest.bench", "--section", "offline", "--rounds", "1", "--file", str(sentences), "--output", str(output)
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(output.read_text())
    assert set(report["ratios"]) == {"offline_greedy_int8", "offline_beam4_int8"}
    assert all(ratio > 0 for ratio in report["ratios"].values())
    for search in ("greedy", "beam4"):
        for result in report["offline"][search].values():
            assert result["tokens_per_second"] > 0
            assert len(result["by_round"]) == 1
            assert result["bleu_against_ours"] > 90


def test_missing_corpora_are_named(tmp_path: Path) -> None:
    done = run("loadtest.bench", "--data", str(tmp_path), "--output", str(tmp_path / "bench.json"))
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {tmp_path}/multi30k/test_2016_flickr.en.gz is missing: ")
