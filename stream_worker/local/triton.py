"""Triton Inference Server on the CPU: the program inside the nvidia-pytriton wheel."""

import contextlib
import hashlib
import os
import shutil
from pathlib import Path

from stream_worker.errors import MissingProgramError
from stream_worker.inference.contract import ENTITIES, SENTIMENT
from stream_worker.local.model_watch import ModelWatch
from stream_worker.local.platform import python_library_folder
from stream_worker.local.ports import LOOPBACK
from stream_worker.local.probes import triton_answers
from stream_worker.local.process import Program
from stream_worker.local.server import Progress, Server
from stream_worker.local.triton_environment import TritonEnvironment

_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - where Linux keeps it, not a file of ours


class Triton(Server):
    """Serves a model repository through its `configs/cpu.pbtxt` files. gRPC only, models fixed at the start."""

    name = "triton"
    title = "Triton"
    ready_seconds = 120.0

    def __init__(self, home: Path, port: int, metrics_port: int, model_repository: Path, backends: Path) -> None:
        super().__init__(home, {"triton_port": port, "triton_metrics_port": metrics_port})
        self.port = port
        self.metrics_port = metrics_port
        self.model_repository = model_repository.resolve()
        self._own_backends = backends
        self._backends = self.directory / "backends"
        self._environment = TritonEnvironment.beside_this_python()
        self._watches: list[ModelWatch] = []

    @property
    def address(self) -> str:
        """host:port of the gRPC service."""
        return f"{LOOPBACK}:{self.port}"

    def prepare(self, progress: Progress) -> None:
        """Make its environment, and lay the backends out as it wants them."""
        if not self.model_repository.is_dir():
            raise MissingProgramError(
                f"There is no model repository at {self.model_repository}: set FINSENTRY_MODEL_REPOSITORY."
            )
        if not self._own_backends.is_dir():
            raise MissingProgramError(f"Triton's CPU backend is missing: there is no folder {self._own_backends}.")
        python_library_folder()
        self._environment.ensure(progress)
        # Copies, because Triton refuses links that lead out of the folder.
        shutil.rmtree(self._backends, ignore_errors=True)
        for backend in (self._environment.python_backend, *sorted(self._own_backends.iterdir())):
            if backend.is_dir():
                shutil.copytree(backend, self._backends / backend.name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy2(self._environment.python_stub, self._backends / "python" / self._environment.python_stub.name)

    def program(self) -> Program:
        """tritonserver, whose Python stub is the first python3 on its PATH."""
        environment = self._environment
        command = [
            str(environment.server),
            f"--model-repository={self.model_repository}",
            "--model-config-name=cpu",
            "--model-control-mode=none",
            f"--backend-directory={self._backends}",
            f"--backend-config=python,shm-region-prefix-name={self._shared_memory_prefix}",
            f"--cache-directory={environment.caches}",
            "--allow-http=false",
            f"--grpc-address={LOOPBACK}",
            f"--grpc-port={self.port}",
            f"--metrics-address={LOOPBACK}",
            f"--metrics-port={self.metrics_port}",
            "--exit-timeout-secs=5",
            "--disable-auto-complete-config",
        ]
        variables = {
            # ONNX Runtime reports to its maker unless it is told not to.
            "ORT_DISABLE_TELEMETRY": "1",
            "PATH": f"{environment.programs}:/usr/bin:/bin",
            "HOME": os.environ.get("HOME", "/"),
            "LD_LIBRARY_PATH": f"{environment.libraries}:{python_library_folder()}",
        }
        return Program(self.title, command, environment=variables, grace_seconds=15.0)

    def spawn(self) -> None:
        """Start it, after clearing away the shared memory that a killed one left behind."""
        for left_behind in _SHARED_MEMORY.glob(f"{self._shared_memory_prefix}*"):
            with contextlib.suppress(OSError):
                left_behind.unlink()
        super().spawn()
        # Connections of their own, made anew: those to the one before would wait for it.
        for watch in self._watches:
            watch.close()
        self._watches = [ModelWatch(self.address, model, self.ready_seconds) for model in (SENTIMENT, ENTITIES)]

    def answers(self) -> bool:
        """Server and models are ready."""
        return triton_answers(self.address)

    def ailment(self) -> str | None:
        """A model whose process is dead, or answers nobody."""
        return next((ailment for watch in self._watches if (ailment := watch.ailment())), None)

    @property
    def _shared_memory_prefix(self) -> str:
        return f"finsentry_{hashlib.sha256(str(self.directory).encode()).hexdigest()[:12]}_"
