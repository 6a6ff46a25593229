"""A Triton backend named `onnxruntime`, in Python, for a Triton that was built without the real one.

It serves every version directory that holds the configuration's `default_model_filename` (model.onnx), with the same
`config.pbtxt` as the real backend. Read from `parameters`, all optional: `intra_op_thread_count` and
`inter_op_thread_count` (0: as many as there are cores).

Requests that Triton hands over together run as one batch; where their second axes differ (`allow_ragged_batch`), the
shorter ones are padded with zeros and their answers cut back. An output that is not finite is refused, so that broken
weights become an error and never a score. The environment needs numpy < 2: with numpy 2, this Triton's stub sends
empty outputs without an error.
"""

# Runs in Triton's own environment, whose modules carry no types.
# mypy: allow-untyped-defs, allow-untyped-calls, disable-error-code="attr-defined"

import json
from pathlib import Path

import numpy as np
import onnxruntime
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    """What Triton's Python backend calls: one object for each instance of a model."""

    def initialize(self, args):
        """Load the weights. Raises, which makes Triton refuse the model, where numpy or the outputs do not fit."""
        if int(np.__version__.split(".")[0]) >= 2:
            raise pb_utils.TritonModelException(
                f"numpy < 2 is needed in the backend's environment, not {np.__version__}"
            )
        config = json.loads(args["model_config"])
        file = config.get("default_model_filename") or "model.onnx"
        path = Path(args["model_repository"]) / args["model_version"] / file
        self._session = onnxruntime.InferenceSession(
            str(path), _session_options(config), providers=["CPUExecutionProvider"]
        )
        self._inputs = [tensor.name for tensor in self._session.get_inputs()]
        self._dtypes = {
            output["name"]: pb_utils.triton_string_to_numpy(output["data_type"]) for output in config["output"]
        }
        missing = set(self._dtypes) - {tensor.name for tensor in self._session.get_outputs()}
        if missing:
            raise pb_utils.TritonModelException(f"{path} has no output {', '.join(sorted(missing))}")

    def execute(self, requests):
        """One response for each request, in order. A failure is answered to all requests of the batch."""
        try:
            inputs = [
                {name: pb_utils.get_input_tensor_by_name(request, name).as_numpy() for name in self._inputs}
                for request in requests
            ]
            return [self._response(outputs) for outputs in self._run(inputs)]
        except Exception as error:  # noqa: BLE001 - an exception that escapes would end this process
            failure = pb_utils.TritonError(f"{type(error).__name__}: {error}")
            return [pb_utils.InferenceResponse(error=failure) for _ in requests]

    def finalize(self):
        """Free the weights."""
        self._session = None

    def _run(self, inputs):
        """Outputs by name for each request, from one forward pass."""
        names = list(self._dtypes)
        outputs = dict(zip(names, self._session.run(names, _joined(inputs)), strict=True))
        first = 0
        for request in inputs:
            rows, length = request[self._inputs[0]].shape
            yield {
                name: value[first : first + rows, :length] if value.ndim > 2 else value[first : first + rows]
                for name, value in outputs.items()
            }
            first += rows

    def _response(self, outputs):
        for name, value in outputs.items():
            if not np.isfinite(value).all():
                return pb_utils.InferenceResponse(error=pb_utils.TritonError(f"the output {name} is not finite"))
        return pb_utils.InferenceResponse(
            [
                pb_utils.Tensor(name, np.ascontiguousarray(value, dtype=self._dtypes[name]))
                for name, value in outputs.items()
            ]
        )


def _session_options(config):
    parameters = {name: value["string_value"] for name, value in config.get("parameters", {}).items()}
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(parameters.get("intra_op_thread_count", 0))
    options.inter_op_num_threads = int(parameters.get("inter_op_thread_count", 0))
    # Spinning threads would take the cores from the other instances.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def _joined(inputs):
    if len(inputs) == 1:
        return inputs[0]
    return {name: _stacked([request[name] for request in inputs]) for name in inputs[0]}


def _stacked(tensors):
    longest = max(tensor.shape[1] for tensor in tensors)
    return np.concatenate([np.pad(tensor, ((0, 0), (0, longest - tensor.shape[1]))) for tensor in tensors])
