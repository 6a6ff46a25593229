"""What a run leaves behind so that it can be taken up after a kill, and what export reads."""

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from stream_worker.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class RunSettings:
    """What decides a run's weights; a run is only taken up again under the same."""

    task: str
    seed: int
    epochs: int
    batch_size: int
    learning_rate: float
    warmup: float
    weight_decay: float
    smoothing: float
    base: str
    data: Mapping[str, str]


@dataclass(slots=True)
class Progress:
    """How far a run is: `step` batches of `epoch` are done."""

    epoch: int = 0
    step: int = 0
    best_score: float = float("-inf")


class Checkpoints:
    """The folder of one run: `latest.pt` to go on from, `best.pt` to export."""

    def __init__(self, folder: Path, settings: RunSettings) -> None:
        self._folder = folder
        self._settings = asdict(settings)
        folder.mkdir(parents=True, exist_ok=True)

    def resume(self, network: nn.Module, optimizer: Optimizer, schedule: LRScheduler) -> Progress:
        """Restore the latest state; a fresh Progress where there is none.

        Raises ConfigurationError when the folder holds a run with other settings.
        """
        path = self._folder / "latest.pt"
        if not path.exists():
            return Progress()
        state = torch.load(path, weights_only=True)
        changed = sorted(name for name, value in self._settings.items() if state["settings"].get(name) != value)
        if changed:
            raise ConfigurationError(
                f"{path} is of a run with another {', '.join(changed)}. Choose another --out, or remove the folder."
            )
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
        schedule.load_state_dict(state["schedule"])
        torch.set_rng_state(state["random"])
        return Progress(**state["progress"])

    def save(self, progress: Progress, network: nn.Module, optimizer: Optimizer, schedule: LRScheduler) -> None:
        """Write everything that `resume` needs."""
        state = {
            "settings": self._settings,
            "progress": asdict(progress),
            "network": network.state_dict(),
            "optimizer": optimizer.state_dict(),
            "schedule": schedule.state_dict(),
            "random": torch.get_rng_state(),
        }
        _write(self._folder / "latest.pt", state)

    def keep(self, network: nn.Module, temperatures: dict[str, float], figures: dict[str, float]) -> None:
        """Write the weights worth exporting."""
        state = {
            "settings": self._settings,
            "network": network.state_dict(),
            "temperatures": temperatures,
            "figures": figures,
        }
        _write(self._folder / "best.pt", state)


def load_best(folder: Path) -> dict[str, Any]:
    """What `keep` wrote: settings, network, temperatures, figures. Raises ConfigurationError where there is none."""
    path = folder / "best.pt"
    if not path.exists():
        raise ConfigurationError(f"{path} is not there: no epoch of this run has ended yet.")
    state: dict[str, Any] = torch.load(path, weights_only=True)
    return state


def _write(path: Path, state: dict[str, Any]) -> None:
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    os.replace(partial, path)
