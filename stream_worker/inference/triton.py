"""The models in Triton, asked over gRPC."""

import asyncio
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import grpc
import numpy as np
from numpy.typing import NDArray
from tritonclient.grpc import service_pb2, service_pb2_grpc

from stream_worker.errors import ContractError, FinsentryError, Unavailable
from stream_worker.inference.contract import ATTENTION_MASK, INPUT_IDS, ModelContract, ModelPair, check_served
from stream_worker.inference.served import served_model

#: Requests at the server at once; more would only wait there instead of here.
MAX_CONCURRENT_REQUESTS = 8
_CHECK_TIMEOUT_SECONDS = 5.0
_CHANNEL_OPTIONS = (
    # By default gRPC notices a dead peer never, and waits up to 20 s and more before it tries to connect again.
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 500),
    # Channels to one address share connections and their back-off otherwise.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.max_receive_message_length", -1),
)
_DTYPES: Mapping[str, Any] = {"FP32": np.float32, "FP16": np.float16, "INT64": np.int64, "INT32": np.int32}
#: What the next try cannot change. Everything else may pass: a restart, a reload, a dead process, a full queue.
_LASTING = (
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.UNIMPLEMENTED,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.UNAUTHENTICATED,
)
#: How the CPU backend (triton_models/backends/onnxruntime) begins its refusal to send NaN.
_NOT_FINITE = "not finite"


class TritonBackend:
    """Runs forward passes in the Triton at `server` (host:port).

    The served models are compared with the contract before the first request on every new connection, so that a
    server that came back with other models scores nothing. Every request has the deadline `timeout_seconds`.
    """

    def __init__(self, server: str, models: ModelPair, timeout_seconds: float) -> None:
        self._server = server
        self._contracts = {contract.manifest.model: contract for contract in models}
        self._timeout_seconds = timeout_seconds
        self._slots = asyncio.Semaphore(MAX_CONCURRENT_REQUESTS)
        self._checking = asyncio.Lock()
        self._is_checked = False

    async def __aenter__(self) -> Self:
        self._channel = grpc.aio.insecure_channel(self._server, options=_CHANNEL_OPTIONS)
        self._stub = service_pb2_grpc.GRPCInferenceServiceStub(self._channel)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._channel.close()

    async def infer(
        self, model: str, input_ids: NDArray[np.int64], attention_mask: NDArray[np.int64]
    ) -> Mapping[str, NDArray[Any]]:
        """See `Backend`."""
        request = _request(self._contracts[model], input_ids, attention_mask)
        async with self._slots:
            await self._ensure_checked()
            try:
                response = await self._stub.ModelInfer(request, timeout=self._timeout_seconds)
            except grpc.aio.AioRpcError as error:
                self._is_checked = False
                raise self._translated(error, model) from None
        return _outputs(response, model)

    async def check(self) -> None:
        """Compare what the server serves with the contract. Raises ContractError or Unavailable."""
        self._is_checked = False
        for model, contract in self._contracts.items():
            try:
                served = await served_model(self._stub, model, _CHECK_TIMEOUT_SECONDS)
            except grpc.aio.AioRpcError as error:
                raise self._translated(error, model) from None
            check_served(contract, served, self._server)
        self._is_checked = True

    async def _ensure_checked(self) -> None:
        if self._is_current():
            return
        async with self._checking:
            if not self._is_current():
                await self.check()

    def _is_current(self) -> bool:
        # A lost connection stays lost until the next request, so this sees every reconnection.
        return self._is_checked and self._channel.get_state() is grpc.ChannelConnectivity.READY

    def _translated(self, error: grpc.aio.AioRpcError, model: str) -> FinsentryError:
        what = f"Triton at {self._server} did not answer for the model {model}: {error.details()}"
        if error.code() in _LASTING or _NOT_FINITE in (error.details() or ""):
            return ContractError(f"{what} ({error.code().name}).")
        return Unavailable(f"{what} ({error.code().name}).", "triton")


def _request(
    contract: ModelContract, input_ids: NDArray[np.int64], attention_mask: NDArray[np.int64]
) -> service_pb2.ModelInferRequest:
    tensors = {INPUT_IDS: input_ids, ATTENTION_MASK: attention_mask}
    return service_pb2.ModelInferRequest(
        model_name=contract.manifest.model,
        model_version=str(contract.manifest.version),
        inputs=[
            service_pb2.ModelInferRequest.InferInputTensor(name=name, datatype="INT64", shape=tensor.shape)
            for name, tensor in tensors.items()
        ],
        outputs=[
            service_pb2.ModelInferRequest.InferRequestedOutputTensor(name=name) for name in contract.manifest.outputs
        ],
        raw_input_contents=[tensor.tobytes() for tensor in tensors.values()],
    )


def _outputs(response: service_pb2.ModelInferResponse, model: str) -> dict[str, NDArray[Any]]:
    try:
        return {
            output.name: np.frombuffer(raw, dtype=_DTYPES[output.datatype]).reshape(output.shape)
            for output, raw in zip(response.outputs, response.raw_output_contents, strict=True)
        }
    except (KeyError, ValueError) as error:
        raise ContractError(
            f"Triton's answer for the model {model} cannot be read ({error}): its numpy must be older than 2."
        ) from None
