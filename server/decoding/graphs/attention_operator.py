"""This project's attention operator (`native/attention.cpp`) in ONNX Runtime's sessions, where it has been compiled."""

import functools
import logging
from pathlib import Path

import onnxruntime as ort

LIBRARY = Path(__file__).parents[1] / "native" / "attention.so"

_logger = logging.getLogger(__name__)


def use_attention_operator(settings: ort.SessionOptions) -> bool:
    """Let a session use the operator in place of ONNX Runtime's own, which computes the same more slowly. Returns
    whether it will."""
    if not _is_usable():
        return False
    settings.register_custom_ops_library(str(LIBRARY))
    return True


@functools.cache
def _is_usable() -> bool:
    if not LIBRARY.exists():
        return False
    try:
        ort.SessionOptions().register_custom_ops_library(str(LIBRARY))
    except Exception as error:  # ONNX Runtime's exceptions have no common base of their own
        _logger.warning("the compiled attention operator cannot be used, ONNX Runtime's is: %s", error)
        return False
    return True
