"""The small environment of Triton's own: its programs, and the Python that runs the CPU backend."""

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from stream_worker.errors import MissingProgramError
from stream_worker.local.server import Progress

# With numpy 2 the Python stub of this Triton sends empty outputs, without an error.
REQUIREMENTS = ("numpy<2", "onnxruntime~=1.32.0")
# The wheel for its programs alone; what its Python package depends on is never imported.
TRITON = "nvidia-pytriton==0.7.0"


@dataclass(frozen=True)
class TritonEnvironment:
    """A virtual environment at `root`."""

    root: Path

    @classmethod
    def beside_this_python(cls) -> Self:
        """The one that belongs to the environment that runs us."""
        return cls(Path(sys.prefix) / "triton")

    def ensure(self, progress: Progress) -> None:
        """Make it, unless it is there complete and as this version wants it.

        Raises MissingProgramError when it cannot be made.
        """
        wanted = "\n".join((*REQUIREMENTS, TRITON))
        if self._marker.exists() and self._marker.read_text() == wanted:
            return
        progress("installing Triton and its Python (75 MB, once)")
        shutil.rmtree(self.root, ignore_errors=True)
        self._run(sys.executable, "-m", "venv", str(self.root))
        pip = [str(self.programs / "python"), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
        self._run(*pip, *REQUIREMENTS)
        self._run(*pip, "--no-deps", TRITON)
        # Last, so that an interrupted installation is made anew.
        self._marker.write_text(wanted)

    @property
    def programs(self) -> Path:
        """Its `bin`, with the Python of the stub."""
        return self.root / "bin"

    @property
    def server(self) -> Path:
        """The program tritonserver."""
        return self._triton / "bin" / "tritonserver"

    @property
    def libraries(self) -> Path:
        """The shared libraries that come with it."""
        return self._packages / "nvidia_pytriton.libs"

    @property
    def caches(self) -> Path:
        """Triton's cache implementations."""
        return self._triton / "caches"

    @property
    def python_backend(self) -> Path:
        """Triton's Python backend."""
        return self._triton / "backends" / "python"

    @property
    def python_stub(self) -> Path:
        """The program that the Python backend starts for each model instance."""
        return self._triton / "python_backend_stubs" / _version() / "triton_python_backend_stub"

    @property
    def _packages(self) -> Path:
        return self.root / "lib" / f"python{_version()}" / "site-packages"

    @property
    def _triton(self) -> Path:
        return self._packages / "pytriton" / "tritonserver"

    @property
    def _marker(self) -> Path:
        return self.root / "complete"

    def _run(self, *command: str) -> None:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            reason = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["no reason given"]
            raise MissingProgramError(f"Triton's environment {self.root} cannot be made: {reason[0]}")


def _version() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}"
