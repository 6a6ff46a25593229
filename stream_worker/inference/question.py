"""The smallest question to a model: a forward pass over eight tokens, for who wants to know whether it answers."""

import numpy as np
from tritonclient.grpc import service_pb2

from stream_worker.inference.contract import ATTENTION_MASK, INPUT_IDS

_TOKENS = 8


def question(model: str) -> service_pb2.ModelInferRequest:
    """Needs no tokenizer; which version answers is Triton's affair, and what it answers does not matter."""
    tokens = np.ones((1, _TOKENS), dtype=np.int64)
    request = service_pb2.ModelInferRequest(model_name=model, raw_input_contents=[tokens.tobytes()] * 2)
    for name in (INPUT_IDS, ATTENTION_MASK):
        request.inputs.add(name=name, datatype="INT64", shape=tokens.shape)
    return request
