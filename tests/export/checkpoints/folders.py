"""Small checkpoints as Hugging Face's transformers saves them, written without it: random weights, real SentencePiece
models, every file as the layouts of versions 4 and 5 have it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

import numpy as np
import sentencepiece
import torch
from safetensors.torch import save_file
from sentencepiece import SentencePieceProcessor
from torch import Tensor

SENTENCES = (Path(__file__).parents[2] / "sentences.txt").read_text(encoding="utf-8").splitlines()

D_MODEL, ENCODER_FFN, DECODER_FFN = 16, 24, 40
ENCODER_LAYERS, DECODER_LAYERS = 2, 1
ENCODER_HEADS, DECODER_HEADS = 4, 2
MAX_POSITIONS = 32

Layout = Literal["safetensors", "zip", "legacy", "sharded safetensors", "sharded zip"]


@dataclass
class Folder:
    """A checkpoint whose parts a test may change before it is written."""

    path: Path
    config: dict[str, Any]
    tensors: dict[str, Tensor]
    json_files: dict[str, Any] = field(default_factory=dict)
    """By file name, written as they are."""
    pieces: dict[str, bytes] = field(default_factory=dict)
    """SentencePiece models by file name."""

    def write(self, layout: Layout = "safetensors") -> Path:
        self.path.mkdir(parents=True, exist_ok=True)
        for name, content in {"config.json": self.config, **self.json_files}.items():
            (self.path / name).write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
        for name, model in self.pieces.items():
            (self.path / name).write_bytes(model)
        write_tensors(self.path, self.tensors, layout)
        return self.path


def write_tensors(folder: Path, tensors: Mapping[str, Tensor], layout: Layout) -> None:
    stem, suffix = ("model", "safetensors") if layout.endswith("safetensors") else ("pytorch_model", "bin")
    parts = {f"{stem}.{suffix}": dict(tensors)}
    if layout.startswith("sharded"):
        names = sorted(tensors)
        halves = names[: len(names) // 2], names[len(names) // 2 :]
        parts = {
            f"{stem}-{index + 1:05}-of-00002.{suffix}": {name: tensors[name] for name in half}
            for index, half in enumerate(halves)
        }
        weight_map = {name: file for file, part in parts.items() for name in part}
        index_file = folder / f"{stem}.{suffix}.index.json"
        index_file.write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": weight_map}), encoding="utf-8")
    for file, part in parts.items():
        if suffix == "safetensors":
            save_file({name: tensor.clone().contiguous() for name, tensor in part.items()}, folder / file)
        else:
            torch.save(part, folder / file, _use_new_zipfile_serialization=layout != "legacy")


def marian(
    path: Path,
    *,
    tokens: tuple[str, ...] = (),
    separate: bool = False,
    rows: int | None = None,
    languages: tuple[str, str] | None = ("en", "fr"),
) -> Folder:
    """tokens: language tokens of the source vocabulary, >>fra<< say; rows: of the vocabulary, its pieces at least."""
    source, target = _model("source"), _model("target")
    end, unknown, pad = "</s>", "<unk>", "<pad>"
    if separate:
        vocabulary = _numbered([end, unknown, *_names(source), *tokens], pad, rows)
        target_vocabulary = _numbered([end, unknown, *_names(target)], pad, len(vocabulary) if rows is None else rows)
    else:
        vocabulary = _numbered([end, unknown, *_names(source), *_names(target), *tokens], pad, rows)
        target_vocabulary = vocabulary
    size, target_size = vocabulary[pad] + 1, target_vocabulary[pad] + 1
    tensors = _layers(norms_first=False, norm_embeddings=False) | {
        "final_logits_bias": random_values("bias", (1, target_size))
    }
    if separate:
        tensors["model.encoder.embed_tokens.weight"] = embedding("source", size, pad_row=size - 1)
        tensors["model.decoder.embed_tokens.weight"] = embedding("target", target_size, pad_row=target_size - 1)
    else:
        tensors["model.shared.weight"] = embedding("shared", size, pad_row=size - 1)
    config = _config("marian", "MarianMTModel", size) | {
        "decoder_vocab_size": target_size,
        "activation_function": "swish",
        "bos_token_id": 0,
        "eos_token_id": 0,
        "forced_eos_token_id": 0,
        "pad_token_id": size - 1,
        "decoder_start_token_id": target_size - 1,
        "share_encoder_decoder_embeddings": not separate,
    }
    files: dict[str, Any] = {"vocab.json": vocabulary, "tokenizer_config.json": {"separate_vocabs": separate}}
    files["tokenizer_config.json"] |= {"eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}
    if languages:
        files["tokenizer_config.json"] |= {"source_lang": languages[0], "target_lang": languages[1]}
    if separate:
        files["target_vocab.json"] = target_vocabulary
    files["generation_config.json"] = {
        "bad_words_ids": [[target_size - 1]],
        "num_beams": 6,
        "max_length": 512,
        "decoder_start_token_id": target_size - 1,
        "eos_token_id": 0,
        "pad_token_id": size - 1,
        "renormalize_logits": True,
    }
    return Folder(path, config, tensors, files, {"source.spm": _spm("source"), "target.spm": _spm("target")})


def m2m100(path: Path, *, codes: tuple[str, ...] = ("en", "fr", "zh", "ns"), named: bool = True) -> Folder:
    """codes: languages, their tokens in an order that no list has; named: whether a file gives the ids of the tokens,
    in the order of `codes` without."""
    pieces = _names(_model("source"))
    vocabulary = {name: index for index, name in enumerate(["<s>", "<pad>", "</s>", "<unk>", *pieces])}
    added = {f"__{code}__": len(vocabulary) + index for index, code in enumerate(reversed(codes))}
    size = len(vocabulary) + len(codes) + 8
    config = _config("m2m_100", "M2M100ForConditionalGeneration", size) | _FAIRSEQ_IDS
    config |= {"activation_function": "relu", "encoder_layerdrop": 0.05}
    tensors = _layers(norms_first=True, norm_embeddings=False)
    tensors["model.shared.weight"] = embedding("shared", size, pad_row=1)
    files = {
        "vocab.json": vocabulary,
        "tokenizer_config.json": {"tokenizer_class": "M2M100Tokenizer", "src_lang": None, "tgt_lang": None},
        "generation_config.json": {"decoder_start_token_id": 2, "eos_token_id": 2, "max_length": 200, "num_beams": 5},
    }
    if named:
        files["added_tokens.json"] = added
    return Folder(path, config, tensors, files, {"sentencepiece.bpe.model": _spm("source")})


def nllb(
    path: Path, *, codes: tuple[str, ...] = ("ace_Arab", "eng_Latn", "fra_Latn", "zho_Hans"), legacy: bool = False
) -> Folder:
    folder = m2m100(path)
    names = ["<s>", "<pad>", "</s>", "<unk>", *_names(_model("source"))]
    added = [*codes, "<mask>"]
    size = len(names) + len(added)
    flags = {"special": True} | dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    tokens = [{"id": len(names) + index, "content": token} | flags for index, token in enumerate(added)]
    vocabulary = {name: index for index, name in enumerate(names)}
    folder.config["vocab_size"] = size
    folder.tensors["model.shared.weight"] = embedding("shared", size, pad_row=1)
    folder.json_files = {
        "tokenizer.json": {"model": {"type": "BPE", "vocab": vocabulary, "merges": []}, "added_tokens": tokens},
        "tokenizer_config.json": {"tokenizer_class": "NllbTokenizer"} | ({"legacy_behaviour": True} if legacy else {}),
    }
    return folder


def mbart50(path: Path, *, codes: tuple[str, ...] = ("ar_AR", "en_XX", "fr_XX", "zh_CN")) -> Folder:
    names = ["<s>", "<pad>", "</s>", "<unk>", *_names(_model("source"))]
    added = [*codes, "<mask>"]
    size = len(names) + len(added)
    config = _config("mbart", "MBartForConditionalGeneration", size) | _FAIRSEQ_IDS
    config |= {"activation_function": "relu", "normalize_before": True, "add_final_layer_norm": True}
    config |= {"normalize_embedding": True, "tokenizer_class": "MBart50Tokenizer", "forced_eos_token_id": 2}
    tensors = _layers(norms_first=True, norm_embeddings=True)
    tensors["model.shared.weight"] = embedding("shared", size, pad_row=1)
    tensors["final_logits_bias"] = random_values("bias", (1, size))
    for side in ("encoder", "decoder"):
        tensors[f"model.{side}.embed_positions.weight"] = random_values(
            f"{side} positions", (MAX_POSITIONS + 2, D_MODEL)
        )
    files = {
        "tokenizer_config.json": {
            "added_tokens_decoder": {
                str(len(names) + index): {"content": token, "special": True} for index, token in enumerate(added)
            }
        }
    }
    return Folder(path, config, tensors, files, {"sentencepiece.bpe.model": _spm("source")})


_FAIRSEQ_IDS = {"bos_token_id": 0, "pad_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 2}


def _config(model_type: str, architecture: str, size: int) -> dict[str, Any]:
    return {
        "model_type": model_type,
        "architectures": [architecture],
        "vocab_size": size,
        "d_model": D_MODEL,
        "encoder_layers": ENCODER_LAYERS,
        "decoder_layers": DECODER_LAYERS,
        "encoder_attention_heads": ENCODER_HEADS,
        "decoder_attention_heads": DECODER_HEADS,
        "encoder_ffn_dim": ENCODER_FFN,
        "decoder_ffn_dim": DECODER_FFN,
        "max_position_embeddings": MAX_POSITIONS,
        "scale_embedding": True,
        "is_encoder_decoder": True,
        "tie_word_embeddings": True,
        "transformers_version": "5.24.0",
        "dropout": 0.1,
        "use_cache": True,
    }


def _layers(*, norms_first: bool, norm_embeddings: bool) -> dict[str, Tensor]:
    """Both sides' layers under their names; norms_first: with a norm at the end of either side."""
    shapes: dict[str, tuple[int, ...]] = {}

    def linear(name: str, outputs: int, inputs: int) -> None:
        shapes[f"{name}.weight"] = (outputs, inputs)
        shapes[f"{name}.bias"] = (outputs,)

    def norm(name: str) -> None:
        shapes[f"{name}.weight"] = shapes[f"{name}.bias"] = (D_MODEL,)

    for side, count, ffn in (("encoder", ENCODER_LAYERS, ENCODER_FFN), ("decoder", DECODER_LAYERS, DECODER_FFN)):
        for index in range(count):
            layer = f"model.{side}.layers.{index}"
            for attention in ("self_attn", "encoder_attn") if side == "decoder" else ("self_attn",):
                for part in ("q_proj", "k_proj", "v_proj", "out_proj"):
                    linear(f"{layer}.{attention}.{part}", D_MODEL, D_MODEL)
                norm(f"{layer}.{attention}_layer_norm")
            linear(f"{layer}.fc1", ffn, D_MODEL)
            linear(f"{layer}.fc2", D_MODEL, ffn)
            norm(f"{layer}.final_layer_norm")
        if norms_first:
            norm(f"model.{side}.layer_norm")
        if norm_embeddings:
            norm(f"model.{side}.layernorm_embedding")
    return {name: random_values(name, shape) + (1.0 if _is_scale(name) else 0.0) for name, shape in shapes.items()}


def _is_scale(name: str) -> bool:
    return "norm" in name and name.endswith("weight")


def random_values(name: str, shape: tuple[int, ...]) -> Tensor:
    """The same values for a name wherever and whenever."""
    generator = np.random.default_rng(list(name.encode()))
    return torch.from_numpy(generator.normal(0.0, 0.25, shape).astype(np.float32))


def embedding(name: str, rows: int, pad_row: int) -> Tensor:
    table = random_values(name, (rows, D_MODEL))
    table[pad_row] = 0.0
    return table


def _numbered(names: list[str], pad: str, rows: int | None) -> dict[str, int]:
    """Ids in order, padding in the last row."""
    vocabulary = {name: index for index, name in enumerate(dict.fromkeys(names))}
    return vocabulary | {pad: (len(vocabulary) if rows is None else rows - 1)}


def _names(pieces: SentencePieceProcessor) -> list[str]:
    """All pieces but the model's own special ones."""
    return [pieces.id_to_piece(index) for index in range(3, pieces.get_piece_size())]


@cache
def _model(side: str) -> SentencePieceProcessor:
    return SentencePieceProcessor(model_proto=_spm(side))


@cache
def _spm(side: str) -> bytes:
    """A SentencePiece model of its trainer's default ids: <unk> 0, <s> 1, </s> 2. That of the target has other pieces:
    it was trained on words spelled backwards."""
    sentences = SENTENCES if side == "source" else [" ".join(word[::-1] for word in s.split()) for s in SENTENCES]
    model = BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(sentences), model_writer=model, vocab_size=150, minloglevel=2
    )
    return model.getvalue()
