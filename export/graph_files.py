"""ONNX graphs as files, also of constants that are more than the 2 GiB that a protobuf message can hold.

Such constants lie in a file beside the graph, `<graph>.data`; ONNX Runtime finds it there by itself.
"""

import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import ModelProto, TensorProto, helper, numpy_helper
from onnx.external_data_helper import load_external_data_for_model

MAX_CONSTANT_BYTES = 2**31 - 2**26
"""Most bytes of constants that are saved within a graph: protobuf's limit, less room for all else."""


def save_graph(model: ModelProto, path: Path) -> None:
    """Write a graph, in place of an earlier one. Constants that `read_structure` has left out are read now."""
    load_external_data_for_model(model, str(path.parent))
    data = data_file(path)
    data.unlink(missing_ok=True)
    if sum(map(_num_bytes, model.graph.initializer)) <= MAX_CONSTANT_BYTES:
        onnx.save(model, path)
    else:
        onnx.save(model, path, save_as_external_data=True, location=data.name)


def read_structure(path: Path) -> ModelProto:
    """A graph, without the values of the constants that lie beside it: `constant` reads them one by one."""
    return onnx.load(path, load_external_data=False)


def constant(tensor: TensorProto, folder: Path) -> npt.NDArray[np.float32]:
    """The value of a float constant of a graph that lies in `folder`."""
    return numpy_helper.to_array(tensor, base_dir=str(folder))


def data_file(path: Path) -> Path:
    return path.with_name(f"{path.name}.data")


def _num_bytes(tensor: TensorProto) -> int:
    return math.prod(tensor.dims) * helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
