"""An encoder that reads the start token as well: translations are those of one that does not, and take a step less."""

import dataclasses
import shutil
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from export.calibrate import calibrate
from export.graphs import export_encoder, export_step
from export.quantize import quantize
from models.encoder_decoder import EncoderDecoder
from models.encoder_decoder_layers import Decoder
from models.seq2seq import BOS, OutputIds
from server.bundle.manifest import (
    ENCODER,
    STEP,
    TOKENIZER,
    BundleError,
    read_bundle,
    write_manifest,
)
from server.decoding.graphs.backend import Backend, BackendOptions
from server.messages.options import DecodingOptions, RequiredTerm
from server.messages.sentence import Finished, Sentence
from tests.conftest import SmallModels
from tests.fakes import Outcomes
from tests.integration.test_batch_invariance import decode_together, engine_of, random_sources
from tests.small_models import VOCABULARY_SIZE, SmallModel, build_random_model, small_manifest

LANGUAGE, OTHER, THIRD = 290, 291, 292
SOURCES = random_sources()[:24]

KINDS: dict[str, dict[str, Any]] = {
    "greedy": {},
    "beam": {"beam_size": 4, "length_penalty": 0.6},
    "search": {"beam_size": 3, "no_repeat_ngram_size": 3, "alignment": True},
    "terms": {"beam_size": 4, "required_terms": (RequiredTerm((40, 41), range(1)),), "guided": True},
    "given": {"forced_ids": (30, 31, 32), "token_log_probs": True},
    "samples": {"num_samples": 3, "temperature": 1.5, "seed": 7},
    "prefix": {"prefix": (20, 21), "token_log_probs": True},
}


@dataclasses.dataclass(frozen=True)
class Both:
    """One model, whose encoder does not read the start token, and does."""

    plain: SmallModel
    encoding: SmallModel
    int8: SmallModel
    """The latter in int8."""


@pytest.fixture(scope="module", params=["self-attention", pytest.param("ssru", marks=pytest.mark.nightly)])
def both(request: pytest.FixtureRequest, small_model: SmallModels, tmp_path_factory: pytest.TempPathFactory) -> Both:
    tokenizer = small_model("encoder_decoder").bundle.tokenizer
    plain = random_model(request.param, encodes_start=False)
    encoding = random_model(request.param, encodes_start=True)
    place = tmp_path_factory.mktemp("encoded-start")
    folders = [place / name / "1" for name in ("plain", "encoding", "int8")]
    for folder in folders[:2]:
        folder.mkdir(parents=True)
        shutil.copyfile(tokenizer, folder / TOKENIZER)
    if request.param == "self-attention":  # which has been exported; what a model starts with is not in its graphs
        for name in (ENCODER, STEP):
            shutil.copyfile(small_model("encoder_decoder").fp32 / name, folders[0] / name)
    else:
        export_encoder(plain, folders[0] / ENCODER)
        export_step(plain, folders[0] / STEP)
    export_encoder(encoding, folders[1] / ENCODER)
    shutil.copyfile(folders[0] / STEP, folders[1] / STEP)
    shutil.copytree(folders[1], folders[2])
    graphs = (folders[2] / ENCODER, folders[2] / STEP)
    calibration = calibrate(*graphs, encoding.state, SOURCES, min_growing_width=1, ids=encoding.output_ids)
    quantize(graphs[0], calibration.encoder, calibration.cache_scales)
    quantize(graphs[1], calibration.step, calibration.cache_scales)
    return Both(
        bundle_of(plain, folders[0], {}),
        bundle_of(encoding, folders[1], {}),
        bundle_of(encoding, folders[2], calibration.cache_scales),
    )


def random_model(decoder: Decoder, encodes_start: bool) -> EncoderDecoder:
    model = build_random_model("encoder_decoder")
    assert isinstance(model, EncoderDecoder)
    if decoder != model.config.decoder:
        torch.manual_seed(5)
        model = EncoderDecoder(dataclasses.replace(model.config, decoder=decoder), VOCABULARY_SIZE).eval()
        for name, weight in model.state_dict().items():
            if weight.dim() > 1 and "embedding" not in name and "positions" not in name:
                weight.normal_(0.0, 3.5 * weight.shape[1] ** -0.5)
    model.output_ids = OutputIds(start=(BOS, LANGUAGE), encodes_start=encodes_start)
    return model


def bundle_of(model: EncoderDecoder, folder: Path, cache_scales: dict[str, float]) -> SmallModel:
    manifest = small_manifest("encoder_decoder", model, cache_scales, has_shortlist=False)
    encodes_start = model.output_ids.encodes_start
    write_manifest(folder, dataclasses.replace(manifest, forced_target=(LANGUAGE, OTHER), encodes_start=encodes_start))
    return SmallModel(model, folder, read_bundle(folder))


def options(start_ids: Sequence[int], **fields: Any) -> DecodingOptions:
    return DecodingOptions(max_output_tokens=15, start_ids=tuple(start_ids), **fields)


def decode(small: SmallModel, decoding: DecodingOptions) -> list[Finished]:
    return decode_together(small, [(source, decoding) for source in SOURCES], max_rows=9)


@pytest.mark.parametrize("start_ids", [(LANGUAGE,), (OTHER, THIRD), (LANGUAGE, OTHER, THIRD)])
@pytest.mark.parametrize("kind", KINDS)
def test_it_writes_what_it_would_have_written(both: Both, kind: str, start_ids: tuple[int, ...]) -> None:
    decoding = options(start_ids, **KINDS[kind])
    pairs = list(zip(decode(both.encoding, decoding), decode(both.plain, decoding), strict=True))
    same = [
        (ours, theirs)
        for one, other in pairs
        if output_ids(one) == output_ids(other)
        for ours, theirs in zip(one.hypotheses, other.hypotheses, strict=True)
    ]
    for ours, theirs in same:
        assert ours.score == pytest.approx(theirs.score, abs=1e-4)
        assert ours.token_log_probs == pytest.approx(theirs.token_log_probs, abs=1e-4)
        np.testing.assert_allclose(ours.attention, theirs.attention, atol=1e-5)
    differing = [(one, other) for one, other in pairs if output_ids(one) != output_ids(other)]
    assert len(differing) <= 1, "rounding may turn a choice of a beam between two that are as good"


def output_ids(finished: Finished) -> list[Sequence[int]]:
    return [hypothesis.output_ids for hypothesis in finished.hypotheses]


def test_each_language_has_another_translation(both: Both) -> None:
    outputs = [
        [finished.hypotheses[0].output_ids for finished in decode(both.encoding, options((language,)))]
        for language in (LANGUAGE, OTHER, THIRD)
    ]
    assert outputs[0] != outputs[1] != outputs[2]


@pytest.mark.parametrize("beam_size", [1, 4])
def test_a_forced_token_takes_no_step_more(both: Both, beam_size: int) -> None:
    """Steps of a sentence are the tokens that it writes; without, one more for each of the start."""
    most = {"min_output_tokens": 15, "beam_size": beam_size}
    decoding = options((LANGUAGE,), **most)
    assert [num_steps(small, decoding) for small in (both.encoding, both.plain)] == [15, 16]
    assert num_steps(both.encoding, options((LANGUAGE, OTHER), **most)) == 16


def num_steps(small: SmallModel, decoding: DecodingOptions) -> int:
    outcomes, engine = Outcomes(), engine_of(small, 8)
    engine.submit([Sentence(SOURCES[0], decoding, outcomes.listener(0))])
    engine.run()
    assert len(outcomes.finished(0).hypotheses[0].output_ids) == 15
    [steps] = [
        sample.value
        for metric in engine.collect()
        for sample in metric.samples
        if sample.name.endswith("step_seconds_count")
    ]
    return int(steps)


@pytest.mark.parametrize("max_rows", [4, 16])
def test_in_int8_a_translation_does_not_depend_on_its_neighbours(both: Both, max_rows: int) -> None:
    kinds = [KINDS[kind] for kind in ("greedy", "beam", "search", "given")]
    starts = [(LANGUAGE,), (OTHER, THIRD), (THIRD,)]
    requests = [(source, options(starts[index % 3], **kinds[index % 4])) for index, source in enumerate(SOURCES)]
    together = decode_together(both.int8, requests, max_rows)
    for request, finished in zip(requests, together, strict=True):
        [alone] = decode_together(both.int8, [request], max_rows)
        assert [one.output_ids for one in finished.hypotheses] == [one.output_ids for one in alone.hypotheses]
        assert finished.hypotheses[0].score == alone.hypotheses[0].score


@pytest.mark.parametrize("encodes_start", [True, False])
def test_a_manifest_that_says_otherwise_than_the_encoder_does_is_refused(both: Both, encodes_start: bool) -> None:
    bundle = (both.plain if encodes_start else both.encoding).bundle
    manifest = dataclasses.replace(bundle.manifest, encodes_start=encodes_start)
    appends = any(spec.kind == "append" for spec in manifest.state)  # an SSRU's encoder has the same outputs either way
    with pytest.raises(BundleError, match=r"outputs .* the manifest's state is") if appends else nullcontext():
        Backend(dataclasses.replace(bundle, manifest=manifest), BackendOptions(2, num_threads=1))
