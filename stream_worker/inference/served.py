"""What a Triton says about a model, in the manifest's words."""

import asyncio
from typing import Any

from tritonclient.grpc import model_config_pb2, service_pb2, service_pb2_grpc

from stream_worker.inference.contract import ServedModel

_DTYPES = {
    model_config_pb2.TYPE_INT64: "int64",
    model_config_pb2.TYPE_INT32: "int32",
    model_config_pb2.TYPE_FP32: "float32",
    model_config_pb2.TYPE_FP16: "float16",
}


async def served_model(
    stub: service_pb2_grpc.GRPCInferenceServiceStub, model: str, timeout_seconds: float
) -> ServedModel:
    """Raises grpc.aio.AioRpcError, also where no version of the model is ready."""
    metadata, answer = await asyncio.gather(
        stub.ModelMetadata(service_pb2.ModelMetadataRequest(name=model), timeout=timeout_seconds),
        stub.ModelConfig(service_pb2.ModelConfigRequest(name=model), timeout=timeout_seconds),
    )
    config = answer.config
    return ServedModel(
        model=model,
        ready_versions=tuple(int(version) for version in metadata.versions),
        max_batch_size=config.max_batch_size,
        inputs=_dtypes(config.input),
        outputs=_dtypes(config.output),
        parameters={name: parameter.string_value for name, parameter in config.parameters.items()},
    )


def _dtypes(tensors: Any) -> dict[str, str]:
    return {tensor.name: _DTYPES.get(tensor.data_type, str(tensor.data_type)) for tensor in tensors}
