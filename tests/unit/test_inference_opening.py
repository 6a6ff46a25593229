"""Opening an analyzer loads what it needs, and nothing before."""

import subprocess
import sys
from pathlib import Path

import pytest

from stream_worker.errors import ContractError
from stream_worker.inference.opening import open_onnx_analyzer
from stream_worker.settings import Settings
from tests.stub_models import write_stub_repository


def test_importing_loads_neither_grpc_nor_onnx_runtime() -> None:
    program = (
        "import stream_worker.inference.opening, sys; print(*{'grpc', 'onnxruntime', 'tritonclient'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


async def test_a_repository_with_swapped_files_opens_nothing(tmp_path: Path) -> None:
    repository = write_stub_repository(tmp_path)
    weights = repository / "sentiment" / "1" / "model.onnx"
    weights.write_bytes((repository / "entities" / "1" / "model.onnx").read_bytes())
    with pytest.raises(ContractError, match=r"model\.onnx is not the file"):
        async with open_onnx_analyzer(Settings(model_repository=repository)):
            pass
