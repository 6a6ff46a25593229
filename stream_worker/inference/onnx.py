"""The models in this process, by ONNX Runtime on the CPU."""

import asyncio
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from stream_worker.errors import ContractError
from stream_worker.inference.contract import ATTENTION_MASK, INPUT_IDS, ModelPair


class OnnxBackend:
    """Runs forward passes in threads of its own, one core each, so that the event loop goes on.

    Loading takes seconds and blocks: construct it in a thread. Raises ContractError for a file that is no model.
    """

    def __init__(self, models: ModelPair, threads: int | None = None) -> None:
        self._sessions = {contract.manifest.model: _session(str(contract.weights)) for contract in models}
        # Two passes on one core each finish sooner than one pass on two.
        self._threads = ThreadPoolExecutor(threads or len(os.sched_getaffinity(0)), thread_name_prefix="onnx")

    async def infer(
        self, model: str, input_ids: NDArray[np.int64], attention_mask: NDArray[np.int64]
    ) -> Mapping[str, NDArray[Any]]:
        """See `Backend`. Never Unavailable: there is no server to be away."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._run, model, input_ids, attention_mask)

    async def check(self) -> None:
        """Nothing to ask: the files were checked when the contract was read."""

    def close(self) -> None:
        """Let running passes end, and start no others."""
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _run(
        self, model: str, input_ids: NDArray[np.int64], attention_mask: NDArray[np.int64]
    ) -> dict[str, NDArray[Any]]:
        session = self._sessions[model]
        names = [output.name for output in session.get_outputs()]
        try:
            outputs = session.run(names, {INPUT_IDS: input_ids, ATTENTION_MASK: attention_mask})
        except Exception as error:
            raise ContractError(f"The model {model} cannot run on its own inputs: {error}") from error
        return dict(zip(names, outputs, strict=True))


def _session(weights: str) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(weights, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise ContractError(f"ONNX Runtime cannot load {weights}: {error}. Export the model again.") from error
