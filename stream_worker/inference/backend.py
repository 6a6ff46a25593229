"""What runs the models: the one interface of Triton and of ONNX Runtime in this process."""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from stream_worker.errors import ContractError


class Backend(Protocol):
    """Runs forward passes. Calls may run concurrently; a failed call changes nothing for the next one."""

    async def infer(
        self, model: str, input_ids: NDArray[np.int64], attention_mask: NDArray[np.int64]
    ) -> Mapping[str, NDArray[Any]]:
        """All outputs of one forward pass over [batch, tokens], by name.

        Raises Unavailable where the same call may succeed later, ContractError where the model cannot answer it.
        """
        ...

    async def check(self) -> None:
        """Raises ContractError where the models are not those of the contract, Unavailable where none can be asked."""
        ...


def logits_of(outputs: Mapping[str, NDArray[Any]], name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """An output that is what was promised: float32, of that shape. Raises ContractError where it is not."""
    logits = outputs.get(name)
    if logits is None or logits.dtype != np.float32 or logits.shape != shape:
        found = "is missing" if logits is None else f"is {logits.dtype} {list(logits.shape)}"
        raise ContractError(
            f"The model's output {name} {found}, expected float32 {list(shape)}: its version in the repository and "
            "its configuration do not belong together."
        )
    return logits


def require_finite(logits: NDArray[np.float32], name: str) -> None:
    """Raises ContractError where a logit is NaN or infinite: its model must not score anything."""
    if not np.isfinite(logits).all():
        raise ContractError(f"The model's output {name} is not finite: its weights are broken; go back to a version.")
