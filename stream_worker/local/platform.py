"""What the machine must be for the embedded stack to run."""

import importlib.util
import platform
import sys
import sysconfig
from pathlib import Path

from stream_worker.errors import MissingProgramError


def require_platform() -> None:
    """Raises MissingProgramError with one sentence when the embedded stack cannot run on this machine."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        raise MissingProgramError(
            f"The embedded stack runs on Linux x86-64 only, and this is {platform.system()} {platform.machine()}: "
            "use docker-compose.yml, or point FINSENTRY_DATABASE_URL, _REDIS_URL, _KAFKA_BOOTSTRAP and _TRITON_URL "
            "at servers elsewhere."
        )


def require_package(module: str, package: str) -> Path:
    """The folder of an installed package. Raises MissingProgramError when it is not installed."""
    found = importlib.util.find_spec(module)
    if found is None or found.origin is None:
        raise MissingProgramError(f"{package} is not installed: run `pip install 'finsentry[local]'`.")
    return Path(found.origin).parent


def python_library_folder() -> Path:
    """The folder of libpython3.11.so.1.0, which Triton's Python stub is linked to.

    Raises MissingProgramError when this Python was built without a shared library.
    """
    library = f"libpython{sys.version_info.major}.{sys.version_info.minor}.so.1.0"
    folder = Path(sysconfig.get_config_var("LIBDIR") or "/usr/lib")
    for candidate in (folder, folder / (sysconfig.get_config_var("MULTIARCH") or "")):
        if (candidate / library).exists():
            return candidate
    raise MissingProgramError(
        f"Triton needs {library}, which this Python lacks: use a Python built with --enable-shared (Debian: "
        f"apt-get install lib{library.removeprefix('lib').removesuffix('.so.1.0')}), or set FINSENTRY_TRITON_URL."
    )
