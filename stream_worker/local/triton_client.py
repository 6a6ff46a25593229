"""Whether a Triton answers, asked over gRPC."""

import contextlib

import grpc
from tritonclient.grpc import service_pb2, service_pb2_grpc


def triton_answers(address: str, timeout_seconds: float = 1.0) -> bool:
    """Whether the server at host:port and all its models are ready."""
    # A new channel each time: one that was refused waits out its back-off.
    with contextlib.closing(grpc.insecure_channel(address)) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        try:
            return bool(stub.ServerReady(service_pb2.ServerReadyRequest(), timeout=timeout_seconds).ready)
        except grpc.RpcError:
            return False
