"""The graphs from which TensorRT builds its plans: the served ones, in a form that it takes.

TensorRT casts no int8, and knows rows that are counted at run time badly or not at all. So the weights are widened to
fp32 here, and padding is computed like all else instead of being skipped (see `triton_models.served`). What a plan
answers for real tokens is the same function; what it answers for padding is not looked at by anybody.

A plan fits one kind of GPU and one version of TensorRT: deploy/build_plans.sh builds it where it is served.
"""

import shutil
from collections.abc import Iterable
from pathlib import Path

import click
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

#: How triton_models.graph names the parts of a stored weight.
_VALUES, _SCALE = ".int8", ".scale"
#: What finds the real tokens of a rectangle, and where each stands among them.
_COUNTERS = ("NonZero", "CumSum")


def for_tensorrt(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy with fp32 weights and without skipped padding. Raises ValueError where it is not a served graph."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    graph = copy.graph
    _widen(graph)
    _compute_padding(graph)
    _forget_unused(graph)
    onnx.checker.check_model(copy)
    return copy


def _widen(graph: onnx.GraphProto) -> None:
    """Put each stored weight back as one fp32 initializer, where its parts are put together now."""
    parts = {initializer.name: numpy_helper.to_array(initializer) for initializer in graph.initializer}
    for name in [part.removesuffix(_VALUES) for part in parts if part.endswith(_VALUES)]:
        wide = parts[f"{name}{_VALUES}"].astype(np.float32) * parts[f"{name}{_SCALE}"]
        gathered = [node for node in graph.node if node.op_type == "Gather" and node.input[0] == f"{name}{_VALUES}"]
        for node in gathered:
            # Gather, Cast and Mul become one Gather; the name of its result says what they made of it.
            result = node.output[0].removesuffix(_VALUES)
            _replace(graph, result, helper.make_node("Gather", [name, node.input[1]], [result]))
        if not gathered:
            wide = _without(graph, name, wide)
        graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(wide), name))


def _without(graph: onnx.GraphProto, name: str, wide: NDArray[np.float32]) -> NDArray[np.float32]:
    """Remove the node that makes this weight, and return the weight in the shape that it makes."""
    (made,) = (node for node in graph.node if name in node.output)
    shapes = [numpy_helper.to_array(known) for known in graph.initializer if known.name == made.input[1]]
    graph.node.remove(made)
    return wide.reshape(*shapes[0])


def _replace(graph: onnx.GraphProto, result: str, node: onnx.NodeProto) -> None:
    """Let `node` make what another node makes now."""
    position = next(place for place, old in enumerate(graph.node) if result in old.output)
    del graph.node[position]
    graph.node.insert(position, node)


def _compute_padding(graph: onnx.GraphProto) -> None:
    """Leave out every Gather of real tokens, or back into the rectangle: both are the whole rectangle then."""
    counted = _derived(graph, [node for node in graph.node if node.op_type in _COUNTERS])
    skips = [node for node in graph.node if node.op_type == "Gather" and node.input[1] in counted]
    if not skips:
        raise ValueError("The graph skips no padding: it is none of triton_models.served.")
    instead = {node.output[0]: node.input[0] for node in skips}
    for node in skips:
        graph.node.remove(node)
    for node in graph.node:
        node.input[:] = [_followed(instead, name) for name in node.input]


def _derived(graph: onnx.GraphProto, origins: Iterable[onnx.NodeProto]) -> set[str]:
    """The index vectors that are computed from the outputs of these nodes, before anything is gathered by them."""
    names = {name for node in origins for name in node.output}
    for node in graph.node:
        if node.op_type != "Gather" and names.intersection(node.input):
            names.update(node.output)
    return names


def _followed(instead: dict[str, str], name: str) -> str:
    while name in instead:
        name = instead[name]
    return name


def _forget_unused(graph: onnx.GraphProto) -> None:
    """Nodes are in the order of their making, so that one look from the end finds all that nobody needs."""
    needed = {output.name for output in graph.output}
    for node in reversed(list(graph.node)):
        if needed.isdisjoint(node.output):
            graph.node.remove(node)
        else:
            needed.update(node.input)
    for initializer in [known for known in graph.initializer if known.name not in needed]:
        graph.initializer.remove(initializer)


@click.command()
@click.argument("repository", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("plans", type=click.Path(file_okay=False, path_type=Path))
def main(repository: Path, plans: Path) -> None:
    """Write what plans are built from: the configurations and graphs of REPOSITORY, the latter fit for TensorRT."""
    for configuration in sorted(repository.glob("*/config.pbtxt")):
        model = configuration.parent.name
        shutil.rmtree(plans / model, ignore_errors=True)
        (plans / model).mkdir(parents=True)
        shutil.copy(configuration, plans / model)
        for weights in sorted(configuration.parent.glob("*/model.onnx")):
            written = plans / model / weights.parent.name / "model.onnx"
            written.parent.mkdir()
            onnx.save(for_tensorrt(onnx.load(weights)), written)
            click.echo(f"{written}")


if __name__ == "__main__":
    main()
