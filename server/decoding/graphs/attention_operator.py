"""This project's attention operator (`native/attention.cpp`) in ONNX Runtime's sessions, where it has been compiled."""

import functools
import logging
import mmap
from pathlib import Path

import onnxruntime as ort

LIBRARY = Path(__file__).parents[1] / "native" / "attention.so"

_REPLACED = b"GroupQueryAttention"

_logger = logging.getLogger(__name__)


def use_attention_operator(settings: ort.SessionOptions, graph: Path) -> bool:
    """Let the session of a graph use the operator in place of ONNX Runtime's own, which computes the same more slowly.
    Returns whether it will.

    A graph without attention is left alone: where the operator's domain is registered, ONNX Runtime no longer merges
    operators of other graphs into those of that domain.
    """
    if not _is_usable() or not _mentions_attention(graph):
        return False
    settings.register_custom_ops_library(str(LIBRARY))
    return True


def _mentions_attention(graph: Path) -> bool:
    with graph.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return content.find(_REPLACED) >= 0


@functools.cache
def _is_usable() -> bool:
    if not LIBRARY.exists():
        _logger.info("attention is ONNX Runtime's: %s has not been compiled", LIBRARY.name)
        return False
    try:
        ort.SessionOptions().register_custom_ops_library(str(LIBRARY))
    except Exception as error:  # ONNX Runtime's exceptions have no common base of their own
        _logger.warning("the compiled attention operator cannot be used, ONNX Runtime's is: %s", error)
        return False
    return True
