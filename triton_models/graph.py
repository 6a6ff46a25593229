"""Rewriting an exported ONNX graph for size and speed, with standard operators only.

Large weights are stored as int8 with one fp32 scale for each block of 32 inputs of an output channel (for each row, in
embedding tables). ONNX Runtime folds Cast, Mul and Reshape back into fp32 weights when it loads the file, so
activations are fp32 and a text's result does not depend on what else is in its batch. Embedding rows are taken first
and widened afterwards: that table stays int8 in memory.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

#: Smaller weights (heads, norms, biases) stay fp32.
LARGE = 50_000
#: Inputs of a channel that share a scale. One scale a channel moved single probabilities twice as far.
BLOCK = 32


def shrink(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy without traces of its making, with joined residual sums and int8-stored weights."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    _forget_origin(copy)
    _join_residual_sums(copy.graph)
    _store_as_int8(copy.graph)
    onnx.checker.check_model(copy)
    return copy


def _forget_origin(model: onnx.ModelProto) -> None:
    """The exporter notes source paths and stack traces on every node and value."""
    graph = model.graph
    parts: tuple[Any, ...] = (model, graph, *graph.node, *graph.input, *graph.output, *graph.initializer)
    for noted in parts:
        del noted.metadata_props[:]
        noted.doc_string = ""
    del graph.value_info[:]


def _join_residual_sums(graph: onnx.GraphProto) -> None:
    """Write Add(Add(product, bias), residual) before a LayerNormalization as one Sum.

    ONNX Runtime fuses an Add before a normalisation into SkipLayerNormalization, whose CPU kernel took 17.8 ms where
    Add and LayerNormalization took 3.2 ms (32 texts of 32 tokens, one thread). It leaves a Sum alone.
    """
    made_by = {name: node for node in graph.node for name in node.output}
    readers: dict[str, int] = {}
    for node in graph.node:
        for name in node.input:
            readers[name] = readers.get(name, 0) + 1
    for norm in [node for node in graph.node if node.op_type == "LayerNormalization"]:
        outer = made_by.get(norm.input[0])
        if outer is None or outer.op_type != "Add":
            continue
        inputs: list[str] = []
        for name in outer.input:
            inner = made_by.get(name)
            if inner is not None and inner.op_type == "Add" and readers[name] == 1:
                inputs += inner.input
                graph.node.remove(inner)
            else:
                inputs.append(name)
        outer.op_type = "Sum"
        outer.input[:] = inputs


def _worth_storing(initializer: onnx.TensorProto, readers: list[onnx.NodeProto]) -> bool:
    # Positions are added, not multiplied or gathered: few bytes, and int8 moved tag probabilities by up to 0.08.
    alike = {node.op_type for node in readers} in ({"Gather"}, {"MatMul"})
    large = len(initializer.dims) == 2 and np.prod(initializer.dims) >= LARGE
    return bool(alike and large and initializer.data_type == TensorProto.FLOAT)


@dataclass(frozen=True, slots=True)
class _Stored:
    values: NDArray[np.int8]
    scale: NDArray[np.float32]


def _store_as_int8(graph: onnx.GraphProto) -> None:
    for initializer in list(graph.initializer):
        readers = [node for node in graph.node if initializer.name in node.input]
        if not _worth_storing(initializer, readers):
            continue
        weights = numpy_helper.to_array(initializer)
        graph.initializer.remove(initializer)
        if all(node.op_type == "Gather" for node in readers):
            _add_stored(graph, initializer.name, _quantized(weights, axis=1))
            for node in readers:
                _widen_gathered(graph, node)
        else:
            # Rows of what is multiplied from the left are inputs, columns are channels.
            blocks = weights.reshape(-1, BLOCK, weights.shape[1])
            _add_stored(graph, initializer.name, _quantized(blocks, axis=1))
            _widen_whole(graph, initializer.name, weights.shape)


def _quantized(weights: NDArray[np.float32], axis: int) -> _Stored:
    """Symmetric int8, one scale for all values along `axis`."""
    scale = np.maximum(np.abs(weights).max(axis=axis, keepdims=True), 1e-12) / 127
    return _Stored(np.rint(weights / scale).astype(np.int8), scale.astype(np.float32))


def _add_stored(graph: onnx.GraphProto, name: str, stored: _Stored) -> None:
    graph.initializer.append(numpy_helper.from_array(stored.values, f"{name}.int8"))
    graph.initializer.append(numpy_helper.from_array(stored.scale, f"{name}.scale"))


def _widen_whole(graph: onnx.GraphProto, name: str, shape: tuple[int, ...]) -> None:
    graph.initializer.append(numpy_helper.from_array(np.array(shape, dtype=np.int64), f"{name}.shape"))
    wide = helper.make_node("Cast", [f"{name}.int8"], [f"{name}.wide"], to=TensorProto.FLOAT)
    scaled = helper.make_node("Mul", [f"{name}.wide", f"{name}.scale"], [f"{name}.scaled"])
    whole = helper.make_node("Reshape", [f"{name}.scaled", f"{name}.shape"], [name])
    for node in (whole, scaled, wide):
        graph.node.insert(0, node)


def _widen_gathered(graph: onnx.GraphProto, gather: onnx.NodeProto) -> None:
    table, indices = gather.input
    output = gather.output[0]
    nodes = [
        helper.make_node("Gather", [f"{table}.int8", indices], [f"{output}.int8"]),
        helper.make_node("Gather", [f"{table}.scale", indices], [f"{output}.scale"]),
        helper.make_node("Cast", [f"{output}.int8"], [f"{output}.wide"], to=TensorProto.FLOAT),
        helper.make_node("Mul", [f"{output}.wide", f"{output}.scale"], [output]),
    ]
    position = list(graph.node).index(gather)
    graph.node.remove(gather)
    for offset, node in enumerate(nodes):
        graph.node.insert(position + offset, node)
