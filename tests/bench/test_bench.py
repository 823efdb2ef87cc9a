"""The benchmark's parts as it runs them: real processes, few sentences."""

import json
from pathlib import Path

import grpc
import onnx
import onnxruntime as ort
import pytest
from sentencepiece import SentencePieceProcessor

from bench import made, offline, operators
from bench.load import Server
from bench.plan import Plan
from bench.process import BenchError
from bench.sizes import SHIPPED
from loadtest.running_server import running_server, serve_command
from models.seq2seq import EOS
from seq2serve.pb import translation_pb2 as pb
from seq2serve.pb import translation_pb2_grpc as pb_grpc
from tests.e2e.processes import ROOT, run

TEXTS = (ROOT / "loadtest" / "sentences" / "en.txt").read_text(encoding="utf-8").splitlines()[:12]
TOKENIZER, RECURRENT = (
    SentencePieceProcessor(model_file=str(ROOT / "checkpoints" / name / "tokenizer.model"))
    for name in ("transformer-en-fr", "rnn-en-fr")
)
SOURCES = [[*ids, EOS] for ids in TOKENIZER.encode(TEXTS)]


@pytest.fixture(autouse=True)
def in_the_project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


@pytest.mark.nightly
def test_engines_are_compared_on_the_same_weights(tmp_path: Path) -> None:
    names = (offline.OURS, offline.THEIRS, offline.PYTORCH[0])
    made.ctranslate2(tmp_path, "int8")
    with offline.workers(names, 1, tmp_path) as systems:
        results = offline.compare(systems, SOURCES, 2, TOKENIZER, beam_size=1)
    for name in names:
        assert results[name]["tokens_per_second"] > 0
        assert len(results[name]["by_round"]) == 2
        assert 10 < results[name]["peak_megabytes"] < 2000
    # A process that loads PyTorch holds more than one that does not: each has its own memory.
    for name in (offline.OURS, offline.THEIRS):
        assert results[name]["peak_megabytes"] < results[offline.PYTORCH[0]]["peak_megabytes"] / 1.3
    assert offline.rate_ratio(results, offline.OURS, offline.OURS) == 1


def test_a_system_that_translates_otherwise_is_not_timed(tmp_path: Path) -> None:
    names = ("seq2serve:lstm_attention:int8", "seq2serve:rnn:int8")
    with (
        offline.workers(names, 1, tmp_path) as systems,
        pytest.raises(BenchError, match=r"seq2serve:rnn:int8 translates otherwise: BLEU .* against our translations"),
    ):
        offline.compare(systems, [[*ids, EOS] for ids in RECURRENT.encode(TEXTS)], 1, RECURRENT, beam_size=1)


@pytest.mark.nightly
def test_the_peer_answers_as_our_server_does_and_no_call_of_the_open_loop_is_lost(tmp_path: Path) -> None:
    plan = Plan(quick=True, rounds=1, sentences=0, file=None, data=Path("data"), folder=tmp_path)
    peer = SHIPPED.their_command(plan, "--translators=1", "--max-batch=32", "--wait-ms=5")
    answers = []
    for command in (serve_command(f"--model-repository={ROOT / 'model_repository'}"), peer):
        with running_server(command, tmp_path / "server.log") as running:
            server = Server(running, SHIPPED)
            step = server.load(TEXTS, rate=40, seconds=1)
            server.close()
            with grpc.insecure_channel(running.address) as channel:
                stub = pb_grpc.TranslationServiceStub(channel)
                answers.append(stub.Translate(pb.TranslateRequest(contents=TEXTS), timeout=60).translations)
        assert step["errors"] == {}
        assert 20 < step["answers"] < 80  # of the second that counts; the arrivals are a seeded process
        assert 0 < step["p50"] <= step["p95"] <= step["p99"]
        assert step["server_cpu"] > 0
        assert 0 < step["not_decoding"] <= 1
    ours, theirs = answers
    assert len(ours) == len(theirs) == len(TEXTS)
    equal = [one.translated_text == other.translated_text for one, other in zip(ours, theirs, strict=True)]
    assert sum(equal) >= len(TEXTS) / 2  # int8 of two kinds


def test_the_profile_has_what_takes_time_and_sessions_after_it_are_as_before() -> None:
    before = ort.InferenceSession
    spent = operators.operator_microseconds(operators.SHIPPED, 2)
    assert ort.InferenceSession is before
    for graph in spent:
        in_graph = {node.op_type for node in onnx.load(operators.SHIPPED / f"{graph}.onnx").graph.node}
        profiled = {name for name, microseconds in spent[graph].items() if microseconds > 0}
        assert {"MatMulIntegerToFloat", "QuantizeLinear", "LayerNormalization"} <= profiled & in_graph
    assert spent["step"]["GroupQueryAttention"] > 0
    assert spent["encoder"]["Attention"] > 0
    assert list(spent["step"].values()) == sorted(spent["step"].values(), reverse=True)


@pytest.mark.nightly
def test_a_section_is_reported_with_its_goals(tmp_path: Path) -> None:
    output = tmp_path / "bench.json"
    done = run("bench", "--quick", "--section", "serving_process", "--output", str(output))
    assert done.returncode == 0, done.stderr
    report = json.loads(output.read_text())
    assert set(report["ratios"]) == {"start_to_first_translation_s", "resident_mb"}
    assert report["ratios"]["resident_mb"] == pytest.approx(report["serving_process"]["memory_mb"]["Pss"], abs=0.1)
    assert len(report["serving_process"]["start_seconds"]) == 3
    page = output.with_suffix(".html").read_text()
    assert "start_to_first_translation_s" in page
    assert "at most 350" in page


def test_missing_corpora_are_named(tmp_path: Path) -> None:
    done = run("bench", "--data", str(tmp_path), "--output", str(tmp_path / "bench.json"))
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {tmp_path}/multi30k/test_2016_flickr.en.gz is missing: ")
