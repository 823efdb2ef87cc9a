"""A checkpoint of Hugging Face's layout in Optimum's ONNX Runtime classes, in int8, see `text_worker.py`.

    PYTHON -m bench.optimum_worker CHECKPOINT FOLDER

PYTHON is that of an environment with `optimum-onnx[onnxruntime]` and PyTorch, which takes an older transformers than
this project does. FOLDER gets the exported graphs, once.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.text_worker import TextSystem, work

MAX_OUTPUT_TOKENS = 256


class Optimum(TextSystem):
    settings = (8, 16, 32, 64)

    def __init__(self, folder: Path) -> None:
        import torch
        from optimum.onnxruntime import ORTModelForSeq2SeqLM
        from transformers import AutoTokenizer

        torch.set_num_threads(1)
        self._tokenizer: Any = AutoTokenizer.from_pretrained(folder)
        self._model: Any = ORTModelForSeq2SeqLM.from_pretrained(folder, session_options=_one_thread())

    def translate(self, texts: Sequence[str], beam_size: int, setting: int) -> list[str]:
        order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
        outputs = [""] * len(texts)
        for start in range(0, len(order), setting):
            indices = order[start : start + setting]
            batch = self._tokenizer([texts[index] for index in indices], return_tensors="pt", padding=True)
            ids = self._model.generate(**batch, num_beams=beam_size, do_sample=False, max_new_tokens=MAX_OUTPUT_TOKENS)
            for index, text in zip(indices, self._tokenizer.batch_decode(ids, skip_special_tokens=True), strict=True):
                outputs[index] = text
        return outputs


def _one_thread() -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return options


def export(checkpoint: Path, folder: Path) -> None:
    """Write the graphs, as Optimum's documentation has it: exported, then quantised dynamically."""
    from optimum.onnxruntime import ORTModelForSeq2SeqLM, ORTQuantizer
    from optimum.onnxruntime.configuration import AutoQuantizationConfig
    from transformers import AutoTokenizer

    float32 = folder.with_name(f"{folder.name}-float32")
    ORTModelForSeq2SeqLM.from_pretrained(checkpoint, export=True).save_pretrained(float32)
    config = AutoQuantizationConfig.avx512_vnni(is_static=False, per_channel=True)
    for graph in sorted(float32.glob("*.onnx")):
        ORTQuantizer.from_pretrained(float32, file_name=graph.name).quantize(
            save_dir=folder, quantization_config=config, file_suffix=""
        )
    AutoTokenizer.from_pretrained(checkpoint).save_pretrained(folder)
    for name in ("config.json", "generation_config.json"):
        if (float32 / name).exists():
            (folder / name).write_bytes((float32 / name).read_bytes())


def main() -> None:
    checkpoint, folder = Path(sys.argv[1]), Path(sys.argv[2])
    if not (folder / "config.json").exists():
        export(checkpoint, folder)
    work(Optimum(folder))


if __name__ == "__main__":
    main()
