"""Small Marian models with random weights, written as Marian writes them: `.npz`, `.bin`, and the files beside them."""

import struct
from collections.abc import Mapping
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import sentencepiece
from sentencepiece import SentencePieceProcessor

Arrays = dict[str, npt.NDArray[Any]]

D_MODEL, ENCODER_FFN, DECODER_FFN = 16, 24, 40
ENCODER_LAYERS, DECODER_LAYERS, HEADS = 2, 1, 4
SENTENCES = (Path(__file__).parents[2] / "sentences.txt").read_text(encoding="utf-8").splitlines()

FLOAT32, INT8 = 0x404, 0x101


@cache
def pieces_model(num_pieces: int = 200, byte_fallback: bool = False, reverse: bool = False) -> bytes:
    """A SentencePiece model as Marian trains it: `</s>` is 0, `<unk>` 1, and there is no other special piece. reverse:
    of another language, whose words are the same backwards."""
    model = BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(sentence[::-1] if reverse else sentence for sentence in SENTENCES),
        model_writer=model,
        vocab_size=num_pieces + (256 if byte_fallback else 0),
        hard_vocab_limit=False,
        bos_id=-1,
        eos_id=0,
        unk_id=1,
        byte_fallback=byte_fallback,
        normalization_rule_name="identity",
        minloglevel=2,
    )
    return model.getvalue()


def piece_names(model: bytes) -> list[str]:
    processor = SentencePieceProcessor(model_proto=model)
    return [processor.id_to_piece(index) for index in range(processor.get_piece_size())]


def model_options(source: int, target: int, **changed: str) -> dict[str, str]:
    """Options of a model as `special:model.yml` spells them; `_` in the names of those changed stands for `-`."""
    options = {
        "dec-cell": "gru",
        "dec-depth": str(DECODER_LAYERS),
        "dim-emb": str(D_MODEL),
        "dim-vocabs": f"\n  - {source}\n  - {target}",
        "enc-cell": "gru",
        "enc-depth": str(ENCODER_LAYERS),
        "input-types": "\n  []",
        "layer-normalization": "false",
        "lemma-dim-emb": "0",
        "output-omit-bias": "false",
        "right-left": "false",
        "skip": "false",
        "tied-embeddings": "false",
        "tied-embeddings-all": "true" if source == target else "false",
        "tied-embeddings-src": "false",
        "transformer-decoder-autoreg": "self-attention",
        "transformer-decoder-dim-ffn": str(DECODER_FFN),
        "transformer-dim-ffn": str(ENCODER_FFN),
        "transformer-ffn-activation": "swish",
        "transformer-ffn-depth": "2",
        "transformer-guided-alignment-layer": "last",
        "transformer-heads": str(HEADS),
        "transformer-no-projection": "false",
        "transformer-postprocess": "dan",
        "transformer-postprocess-emb": "d",
        "transformer-postprocess-top": '""',
        "transformer-preprocess": '""',
        "transformer-tied-layers": "\n  []",
        "transformer-train-position-embeddings": "false",
        "type": "transformer",
        "version": "v1.12.42 b7be0e964 2025-05-24 22:34:42 -0700",
    }
    return options | {name.replace("_", "-"): value for name, value in changed.items()}


def yaml_array(options: Mapping[str, str], num_nuls: int = 7) -> npt.NDArray[np.int8]:
    lines = [f"{key}:{value}" if value.startswith("\n") else f"{key}: {value}" for key, value in options.items()]
    return np.frombuffer("\n".join(lines).encode() + b"\0" * num_nuls, np.int8)


def model_arrays(options: Mapping[str, str]) -> Arrays:
    """Every tensor that Marian saves for these options, random, with its YAML."""
    generator = np.random.default_rng(1)
    shapes = _shapes(options)
    arrays: Arrays = {
        name: generator.normal(0, shape[-1] ** -0.5, shape).astype(np.float32) for name, shape in sorted(shapes.items())
    }
    for name, array in arrays.items():
        if "_ln_scale" in name:
            array += 1
    return {**arrays, "special:model.yml": yaml_array(options)}


def _shapes(options: Mapping[str, str]) -> dict[str, tuple[int, int]]:
    d_model = int(options["dim-emb"])
    source, target = map(int, options["dim-vocabs"].replace("-", "").split())
    everything = options["tied-embeddings-all"] == "true"
    is_pre = "n" in options["transformer-preprocess"]
    is_rnn = options["transformer-decoder-autoreg"] == "rnn"
    norms = [f"{side}_top_ln_{{}}" for side in ("encoder", "decoder") if "n" in options["transformer-postprocess-top"]]
    norms += [
        f"{side}_emb_ln_{{}}_pre" for side in ("encoder", "decoder") if "n" in options["transformer-postprocess-emb"]
    ]
    shapes: dict[str, tuple[int, int]] = {}
    if everything or options["tied-embeddings-src"] == "true":
        shapes["Wemb"] = (source, d_model)
    else:
        shapes |= {"encoder_Wemb": (source, d_model), "decoder_Wemb": (target, d_model)}
    if not everything and options["tied-embeddings"] == "false":
        shapes["decoder_ff_logit_out_Wt"] = (target, d_model)
    if options["output-omit-bias"] == "false":
        shapes["decoder_ff_logit_out_b"] = (1, target)
    for side, depth, key in (
        ("encoder", "enc-depth", "transformer-dim-ffn"),
        ("decoder", "dec-depth", "transformer-decoder-dim-ffn"),
    ):
        width = int(options[key]) or int(options["transformer-dim-ffn"])
        for layer in range(1, int(options[depth]) + 1):
            prefix = f"{side}_l{layer}"
            attentions = ["self"] if side == "encoder" else ["context"] if is_rnn else ["self", "context"]
            for attention in attentions:
                for letter in "qkvo":
                    shapes[f"{prefix}_{attention}_W{letter}"] = (d_model, d_model)
                    shapes[f"{prefix}_{attention}_b{letter}"] = (1, d_model)
            if side == "decoder" and is_rnn:
                shapes |= {f"{prefix}_rnn_W": (d_model, d_model), f"{prefix}_rnn_Wf": (d_model, d_model)}
                shapes[f"{prefix}_rnn_bf"] = (1, d_model)
            shapes |= {f"{prefix}_ffn_W1": (d_model, width), f"{prefix}_ffn_b1": (1, width)}
            shapes |= {f"{prefix}_ffn_W2": (width, d_model), f"{prefix}_ffn_b2": (1, d_model)}
            places = [f"{attention}_Wo" for attention in attentions] + ["ffn_ffn"]
            if side == "decoder" and is_rnn:
                places.append("rnn" if is_pre else "rnn_ffn")
            norms += [f"{prefix}_{place}_ln_{{}}" + ("_pre" if is_pre else "") for place in places]
    for norm in norms:
        shapes |= {norm.format("scale"): (1, d_model), norm.format("bias"): (1, d_model)}
    return shapes


def write_npz(path: Path, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    by_name: Any = dict(arrays)
    with path.open("wb") as file:
        np.savez(file, **by_name)


def marian_folder(folder: Path, **changed: str) -> Path:
    """A model of one SentencePiece vocabulary, as a training leaves it."""
    model = pieces_model()
    size = len(piece_names(model))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.spm").write_bytes(model)
    write_npz(folder / "model.npz", model_arrays(model_options(size, size, **changed)))
    write_decoder(folder / "model.npz.decoder.yml", "model.npz", "vocab.spm", "vocab.spm")
    return folder


def write_decoder(path: Path, model: str, source: str, target: str) -> None:
    path.write_text(
        f"relative-paths: true\nmodels:\n  - {model}\nvocabs:\n  - {source}\n  - {target}\n"
        "beam-size: 6\nnormalize: 1\nword-penalty: 0\nmini-batch: 1\nmaxi-batch-sort: src\n"
    )


def change_arrays(folder: Path, **changed: npt.NDArray[Any] | None) -> None:
    """Write model.npz of a folder anew, with other arrays; None leaves one out."""
    with np.load(folder / "model.npz") as archive:
        arrays: Mapping[str, Any] = {**dict(archive), **changed}
    write_npz(folder / "model.npz", {name: array for name, array in arrays.items() if array is not None})


def write_bin(path: Path, arrays: Mapping[str, npt.NDArray[Any]], int8_type: int, quantises_embeddings: bool) -> None:
    """A binary model: matrices int8 of the type given, everything else as it is."""
    items = []
    for name, array in arrays.items():
        shape, kind = array.shape, INT8 if array.dtype == np.int8 else FLOAT32
        data = array.tobytes()
        if "Wemb" in name and quantises_embeddings and "Quant" not in name:
            kind, data = int8_type, _quantised(array)
        elif "_W" in name and not any(part in name for part in ("_ln_", "Wemb", "Quant")):
            kind, data = int8_type, _quantised(array.T)
        items.append((name.encode() + b"\0", kind, shape, data + b"\0" * (-len(data) % 256)))
    head = struct.pack("<QQ", 1, len(items))
    head += b"".join(struct.pack("<QQQQ", len(name), kind, len(shape), len(data)) for name, kind, shape, data in items)
    head += b"".join(name for name, *_ in items)
    head += b"".join(struct.pack(f"<{len(shape)}i", *shape) for _, _, shape, _ in items)
    padding = -(len(head) + 8) % 256
    head += struct.pack("<Q", padding) + b"\0" * padding
    path.write_bytes(head + b"".join(data for *_, data in items))


def _quantised(array: npt.NDArray[Any]) -> bytes:
    factor = np.float32(127 / np.abs(array).max())
    return np.rint(array * factor).astype(np.int8).tobytes() + factor.tobytes()
