from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from export.checkpoints import read_checkpoint
from export.checkpoints.huggingface.known import READ
from export.checkpoints.imported import ImportProblem
from tests.export.checkpoints.folders import Folder, m2m100, marian, mbart50, nllb

BUILDERS: dict[str, Callable[[Path], Folder]] = {"marian": marian, "m2m_100": m2m100, "mbart": mbart50}


def problems_of(folder: Folder) -> tuple[str, ...]:
    with pytest.raises(ImportProblem) as raised:
        read_checkpoint(folder.write())
    return raised.value.problems


@pytest.mark.parametrize(
    ("model_type", "change", "expected"),
    [
        ("marian", {"normalize_before": True}, "normalize_before=true: only false"),
        ("marian", {"add_final_layer_norm": True}, "add_final_layer_norm=true: only false"),
        ("marian", {"normalize_embedding": True}, "normalize_embedding=true: only false"),
        ("m2m_100", {"normalize_before": False}, "normalize_before=false: only true"),
        ("mbart", {"normalize_before": False}, "normalize_before=false: only true"),
        ("mbart", {"add_final_layer_norm": False}, "add_final_layer_norm=false: only true"),
        ("mbart", {"normalize_embedding": False}, "normalize_embedding=false: only true"),
        ("marian", {"activation_function": "gelu_new"}, "activation_function='gelu_new'"),
        ("marian", {"activation_function": "tanh"}, "activation_function='tanh'"),
        ("marian", {"activation_function": None}, "activation_function=None"),
        ("marian", {"activation_function": ["relu"]}, "activation_function="),
        ("marian", {"architectures": ["MarianForCausalLM"]}, "MarianMTModel expected"),
        ("m2m_100", {"architectures": ["M2M100Model"]}, "M2M100ForConditionalGeneration expected"),
        ("marian", {"is_decoder": True}, "is_decoder=true"),
        ("marian", {"is_encoder_decoder": False}, "is_encoder_decoder=false"),
        ("m2m_100", {"quantization_config": {"load_in_8bit": True}}, "quantization_config="),
        ("marian", {"d_model": 0}, "d_model=0: an integer from 1 to"),
        ("marian", {"d_model": "16"}, "d_model='16'"),
        ("marian", {"d_model": 16.0}, "d_model=16.0"),
        ("marian", {"encoder_layers": -1}, "encoder_layers=-1"),
        ("marian", {"encoder_attention_heads": 3}, "num_encoder_heads: a divisor of d_model=16"),
        ("marian", {"scale_embedding": "yes"}, "scale_embedding='yes': true or false"),
        ("marian", {"tie_word_embeddings": 1}, "tie_word_embeddings=1: true or false"),
        ("mbart", {"decoder_start_token_id": 250_020}, "decoder_start_token_id=250020: less than"),
        ("mbart", {"decoder_start_token_id": None}, "decoder_start_token_id is missing"),
        ("mbart", {"eos_token_id": [2, 3]}, "eos_token_id=[2, 3]"),
        ("marian", {"forced_bos_token_id": 7}, "forced_bos_token_id=7"),
        ("marian", {"vocab_size": 3}, "config.json asks for [3, 16]"),
        ("marian", {"vocab_size": 2**40}, "vocab_size=1099511627776: an integer from 1 to"),
        ("marian", {"max_position_embeddings": 2**30}, "max_position_embeddings=1073741824"),
        ("m2m_100", {"encoder_layers": 10**9}, "encoder_layers=1000000000"),
        ("m2m_100", {"d_model": 64}, "config.json asks for"),
    ],
)
def test_a_value_that_changes_what_is_computed_and_is_not_supported_is_named(
    model_type: str, change: dict[str, Any], expected: str, tmp_path: Path
) -> None:
    folder = BUILDERS[model_type](tmp_path)
    folder.config |= change
    assert any(expected in problem for problem in problems_of(folder))


@pytest.mark.parametrize("model_type", ["t5", "bart", "nllb-moe", "IndicTrans", None, 5, ["marian"]])
def test_another_family_is_refused_with_those_that_are_known(model_type: object, tmp_path: Path) -> None:
    folder = marian(tmp_path)
    folder.config["model_type"] = model_type
    assert problems_of(folder) == (
        f"config.json: model_type={model_type!r}: one of marian, m2m_100, mbart is supported",
    )


@pytest.mark.parametrize("activation", ["relu", "swish", "silu", "gelu"])
def test_known_activations_are_told_apart(activation: str, tmp_path: Path) -> None:
    folder = marian(tmp_path)
    folder.config["activation_function"] = activation
    imported = read_checkpoint(folder.write())
    assert imported.settings.activation == {"silu": "swish"}.get(activation, activation)


@pytest.mark.parametrize(("scales", "factor"), [(True, 4.0), (False, 1.0)])
def test_embeddings_are_scaled_as_the_configuration_says(scales: bool, factor: float, tmp_path: Path) -> None:
    folder = marian(tmp_path)
    folder.config["scale_embedding"] = scales
    assert read_checkpoint(folder.write()).settings.embedding_scale == factor


@pytest.mark.parametrize(("model_type", "factor"), [("marian", 1.0), ("m2m_100", 4.0), ("mbart", 1.0)])
def test_a_key_that_is_not_there_has_the_value_of_its_family(model_type: str, factor: float, tmp_path: Path) -> None:
    folder = BUILDERS[model_type](tmp_path)
    del folder.config["scale_embedding"]
    assert read_checkpoint(folder.write()).settings.embedding_scale == factor


def test_all_problems_are_named_at_once(tmp_path: Path) -> None:
    folder = marian(tmp_path, separate=True, languages=None)
    folder.config |= {"normalize_before": True, "activation_function": "tanh", "is_decoder": True}
    folder.json_files["vocab.json"] = folder.json_files["target_vocab.json"]
    del folder.tensors["final_logits_bias"]
    folder.tensors["adapter.weight"] = torch.zeros(2)
    folder.tensors["model.encoder.layers.0.fc1.bias"] = torch.zeros(3)
    del folder.pieces["target.spm"]
    message = "; ".join(problems_of(folder))
    for expected in (
        "normalize_before=true",
        "activation_function='tanh'",
        "is_decoder=true",
        "% of the pieces of source.spm",
        "target.spm is missing",
        "--languages",
        "missing: final_logits_bias",
        "not known of this model: adapter.weight",
        "model.encoder.layers.0.fc1.bias is [3], config.json asks for [24]",
    ):
        assert expected in message


def test_many_missing_tensors_are_counted(tmp_path: Path) -> None:
    folder = marian(tmp_path)
    folder.tensors = {name: tensor for name, tensor in folder.tensors.items() if ".decoder." not in name}
    assert "tensors that are missing" in problems_of(folder)[0]
    assert "more" in problems_of(folder)[0]


def test_a_deeper_checkpoint_than_declared_is_refused(tmp_path: Path) -> None:
    folder = marian(tmp_path)
    folder.config["encoder_layers"] = 1
    assert "not known of this model: model.encoder.layers.1." in problems_of(folder)[0]


def test_keys_that_nobody_knows_are_listed_in_a_warning(tmp_path: Path) -> None:
    folder = marian(tmp_path)
    folder.config |= {"rotary_base": 10_000, "dropout": 0.3, "_name_or_path": "x/opus-mt-en-fr"}
    assert [warning for warning in read_checkpoint(folder.write()).warnings if "rotary_base" in warning]
    assert "dropout" not in "".join(read_checkpoint(folder.path).warnings)


def test_damaged_json_is_named(tmp_path: Path) -> None:
    folder = marian(tmp_path)
    path = folder.write()
    (path / "vocab.json").write_text('{"</s>": 0,')
    (path / "generation_config.json").write_text("[]")
    with pytest.raises(ImportProblem) as raised:
        read_checkpoint(path)
    message = "; ".join(raised.value.problems)
    assert "vocab.json: " in message
    assert "generation_config.json: an object expected" in message


def test_a_damaged_sentencepiece_model_is_named(tmp_path: Path) -> None:
    folder = marian(tmp_path)
    folder.pieces["source.spm"] = b"no model"
    assert any("source.spm: no SentencePiece model" in problem for problem in problems_of(folder))


def test_an_adapter_is_asked_to_be_merged(tmp_path: Path) -> None:
    folder = m2m100(tmp_path)
    folder.json_files["adapter_config.json"] = {"peft_type": "LORA"}
    assert any("merge it" in problem for problem in problems_of(folder))


def test_a_folder_of_something_else_is_refused_with_what_is_in_it(tmp_path: Path) -> None:
    with pytest.raises(ImportProblem, match="found nothing"):
        read_checkpoint(tmp_path)
    (tmp_path / "flax_model.msgpack").write_bytes(b"")
    with pytest.raises(ImportProblem, match=r"config.json.*found flax_model.msgpack"):
        read_checkpoint(tmp_path)
    with pytest.raises(ImportProblem, match="a folder expected"):
        read_checkpoint(tmp_path / "flax_model.msgpack")


def test_the_licence_of_the_card_is_recorded(tmp_path: Path) -> None:
    path = marian(tmp_path).write()
    (path / "README.md").write_text("---\nlanguage: en\nlicense: cc-by-4.0\n---\n# A model\n")
    assert read_checkpoint(path).provenance["licence"] == "cc-by-4.0"


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from([0, 1, 2**31, 1e300]),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(max_size=5), values, max_size=3),
    max_leaves=5,
)
KEYS = (
    *(("config.json", key) for key in sorted(READ | {"bad_words_ids", "suppress_tokens", "quantization_config"})),
    *(("generation_config.json", key) for key in ("decoder_start_token_id", "bad_words_ids", "suppress_tokens")),
    *(
        ("tokenizer_config.json", key)
        for key in ("source_lang", "unk_token", "added_tokens_decoder", "tokenizer_class")
    ),
    *(("special_tokens_map.json", key) for key in ("eos_token", "pad_token")),
    *(("vocab.json", key) for key in ("</s>", "<unk>", "new")),
    *(("added_tokens.json", key) for key in ("__en__", "__de__")),
    *(("tokenizer.json", key) for key in ("model", "added_tokens")),
)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(build=st.sampled_from([*BUILDERS.values(), nllb]), key=st.sampled_from(KEYS), value=JSON)
def test_whatever_a_file_says_is_imported_or_refused_with_its_problems(
    build: Callable[[Path], Folder], key: tuple[str, str], value: object, tmp_path: Path
) -> None:
    folder = build(tmp_path)
    file, name = key
    content = folder.config if file == "config.json" else folder.json_files.setdefault(file, {})
    content[name] = value
    with suppress(ImportProblem):
        read_checkpoint(folder.write())
    for written in tmp_path.glob("*.json"):
        written.unlink()
