"""What TensorRT is given: the same function as what a CPU serves, in operators and types that TensorRT takes."""

import re
import subprocess
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from click.testing import CliRunner
from onnx import TensorProto

from stream_worker.inference.contract import read_pair
from triton_models.tensorrt import for_tensorrt, main

ROOT = Path(__file__).parents[2]
REPOSITORY = ROOT / "triton_models" / "repository"
MODELS = ["entities", "sentiment"]

_FLOATS, _BOTH = {TensorProto.FLOAT}, {TensorProto.FLOAT, TensorProto.INT64}
#: The types that served graphs use and onnx-tensorrt 10.1 takes (docs/operators.md of its release/10.1-GA).
_SUPPORTED = {
    **dict.fromkeys(["Erf", "Gemm", "LayerNormalization", "MatMul", "Softmax"], _FLOATS),
    **dict.fromkeys(["Add", "Cast", "Concat", "Div", "Gather", "Mul", "ReduceSum", "Reshape", "Shape"], _BOTH),
    **dict.fromkeys(["Slice", "Split", "Sub", "Sum", "Transpose", "Unsqueeze"], _BOTH),
}


@pytest.fixture(scope="module", params=MODELS)
def served(request: pytest.FixtureRequest) -> onnx.ModelProto:
    """A graph as the CPU serves it."""
    return onnx.load(REPOSITORY / request.param / "1" / "model.onnx")


def answers(model: onnx.ModelProto, ids: object, mask: object) -> list[np.ndarray]:
    """All outputs."""
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    outputs: list[np.ndarray] = session.run(None, {"input_ids": ids, "attention_mask": mask})
    return outputs


def test_real_tokens_are_answered_as_by_the_served_graph(served: onnx.ModelProto) -> None:
    rng = np.random.default_rng(7)
    lengths = (40, 3, 17, 1, 25)
    mask = np.array([[int(place < length) for place in range(40)] for length in lengths], dtype=np.int64)
    ids = rng.integers(1000, 20_000, mask.shape) * mask
    for expected, found in zip(answers(served, ids, mask), answers(for_tensorrt(served), ids, mask), strict=True):
        real = mask.astype(bool) if expected.ndim == 3 else ...
        np.testing.assert_allclose(found[real], expected[real], atol=1e-5)


def test_every_operator_is_one_that_tensorrt_takes_in_the_types_that_it_takes(served: onnx.ModelProto) -> None:
    model = onnx.shape_inference.infer_shapes(for_tensorrt(served))
    graph = model.graph
    types = {known.name: known.data_type for known in graph.initializer}
    types |= {value.name: value.type.tensor_type.elem_type for value in (*graph.input, *graph.value_info)}
    refused = {
        f"{node.op_type} of {TensorProto.DataType.Name(types[name])}"
        for node in graph.node
        for name in node.input
        if types[name] not in _SUPPORTED.get(node.op_type, ())
    }
    assert refused == set()


def test_a_graph_that_skips_no_padding_is_refused(served: onnx.ModelProto) -> None:
    with pytest.raises(ValueError, match="skips no padding"):
        for_tensorrt(for_tensorrt(served))


def test_a_repository_becomes_one_of_plans(tmp_path: Path) -> None:
    laid_out = CliRunner().invoke(main, [str(REPOSITORY), str(tmp_path)])
    assert laid_out.exit_code == 0, laid_out.output
    # TensorRT cannot run here: whoever is asked to build writes what it was asked.
    builder = tmp_path / "trtexec"
    builder.write_text(
        '#!/bin/bash\nfor word; do if [[ $word == --saveEngine=* ]]; then echo "$@" > "${word#*=}"; fi; done\n'
    )
    builder.chmod(0o755)
    command = [str(ROOT / "deploy" / "build_plans.sh"), str(tmp_path)]
    subprocess.run(command, env={"PATH": "/usr/bin:/bin", "TRTEXEC": str(builder)}, check=True)
    builder.unlink()
    found = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert found == {f"{model}/{file}" for model in MODELS for file in ("config.pbtxt", "1/model.plan")}
    for contract in read_pair(REPOSITORY):
        model = tmp_path / contract.manifest.model
        rows = re.findall(r"max_batch_size: (\d+)", (model / "config.pbtxt").read_text())[0]
        shape = f"{rows}x{contract.manifest.max_tokens}"
        assert f"--maxShapes=input_ids:{shape},attention_mask:{shape} " in (model / "1" / "model.plan").read_text()


def test_a_folder_without_graphs_is_an_error(tmp_path: Path) -> None:
    done = subprocess.run([ROOT / "deploy" / "build_plans.sh", tmp_path], capture_output=True, text=True)
    assert done.returncode == 1
    assert "There is no graph" in done.stderr
