"""A real Transformer of three languages behind the real server, with bundle files as an importer writes them."""

import dataclasses
import json
import shutil
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from models.seq2seq import BOS, EOS, PAD, UNKNOWN
from server.bundle.languages import SOURCE_TOKEN, TARGET_TOKEN, TEXT, Language
from server.bundle.manifest import Bundle, SpecialIds, TokenizerSpec, read_bundle, write_manifest
from server.messages.options import DecodingOptions
from server.text.bundle_tokenizers import open_tokenizers
from tests.conftest import SmallModels
from tests.integration.served import Served, serving
from tests.integration.test_batch_invariance import decode_together
from tests.small_models import SENTENCES, VOCABULARY_SIZE, SmallModel

NAME = "transformer-en-fr"
CODES = ("en", "fr", "pt-BR")
TEXTS = [text for text in SENTENCES if "." not in text[:-1]][:6]


@pytest.fixture(scope="module")
def small(small_model: SmallModels, tmp_path_factory: pytest.TempPathFactory) -> SmallModel:
    """The small Transformer, of which three of the rarest pieces are language tokens now."""
    bundle = small_model("transformer").bundle
    folder = tmp_path_factory.mktemp("multilingual") / NAME / "1"
    shutil.copytree(bundle.folder, folder)
    names = list(open_tokenizers(bundle).source.names)
    languages = []
    for id_, code in enumerate(CODES, VOCABULARY_SIZE - len(CODES)):
        names[id_] = f"__{code}__"
        languages.append(Language(code=code, source_id=id_, target_id=id_))
    (folder / "pieces.json").write_text(json.dumps(names), encoding="utf-8")
    spec = TokenizerSpec(sentencepiece="tokenizer.model", pieces="pieces.json")
    never_written = (PAD, UNKNOWN, BOS, *(language.target_id for language in languages if language.target_id))
    manifest = dataclasses.replace(
        bundle.manifest,
        source_tokenizer=spec,
        target_tokenizer=spec,
        special_ids=SpecialIds(start=BOS, eos=EOS, pad=PAD, unknown=UNKNOWN, never_written=never_written),
        languages=tuple(languages),
        source_template=(SOURCE_TOKEN, TEXT, EOS),
        forced_target=(TARGET_TOKEN,),
        max_output_tokens=bundle.manifest.max_output_tokens - 1,
    )
    write_manifest(folder, manifest)
    return dataclasses.replace(small_model("transformer"), bundle=read_bundle(folder))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(small: SmallModel) -> AsyncIterator[Served]:
    async with serving(small.bundle.folder.parent.parent, default_model=NAME) as server:
        yield server


pytestmark = pytest.mark.asyncio(loop_scope="module")


def language_ids(bundle: Bundle) -> dict[str, int]:
    return {language.code: language.target_id or 0 for language in bundle.manifest.languages}


@pytest.mark.parametrize(("source", "target"), [("en", "fr"), ("fr", "en"), ("en-US", "pt"), ("pt", "fr")])
@pytest.mark.parametrize("fields", [{}, {"beam_size": 4}, {"use_shortlist": True}, {"min_output_tokens": 3}])
async def test_what_is_answered_is_what_the_model_writes_behind_its_languages(
    small: SmallModel, served: Served, source: str, target: str, fields: dict[str, Any]
) -> None:
    languages = language_ids(small.bundle)
    from_, into = ("pt-BR" if code == "pt" else code.partition("-")[0] for code in (source, target))
    tokenizers = open_tokenizers(small.bundle)
    decoding = DecodingOptions(max_output_tokens=12, length_penalty=0.6, start_ids=(languages[into],), **fields)
    sources = [[languages[from_], *tokenizers.source.encode(text), EOS] for text in TEXTS]
    expected = decode_together(small, [(ids, decoding) for ids in sources], max_rows=4)
    answer = await served.translate(
        *TEXTS, source_language_code=source, target_language_code=target, decoding={"max_output_tokens": 12, **fields}
    )
    for finished, translation in zip(expected, answer.translations, strict=True):
        best = finished.hypotheses[0]
        assert not set(languages.values()) & set(best.output_ids)
        assert translation.translated_text == tokenizers.target.decode(best.output_ids)
        assert translation.output_token_count == len(best.output_ids)
        assert translation.score == pytest.approx(best.log_prob / best.num_scored, abs=1e-4)


async def test_each_language_has_another_translation(served: Served) -> None:
    """Else the tests here would compare nothing."""
    texts = set()
    for source, target in (("en", "fr"), ("en", "pt"), ("fr", "pt")):
        answer = await served.translate(*TEXTS, source_language_code=source, target_language_code=target)
        texts.add(tuple(translation.translated_text for translation in answer.translations))
    assert len(texts) == 3
