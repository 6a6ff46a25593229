"""Which process a number means: ids are used again, but never with the same start."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import psutil


@dataclass(frozen=True)
class ProcessIdentity:
    """A process of this machine; `start` is the kernel's boot id and the tick at which the process began."""

    pid: int
    start: str

    @classmethod
    def of(cls, pid: int) -> Self | None:
        """The process that has this id now, or None; a zombie counts as gone."""
        try:
            # The second field is the program's name in parentheses, which may hold anything.
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        except OSError:
            return None
        return None if fields[0] == "Z" else cls(pid, f"{boot}/{fields[19]}")

    def running(self) -> bool:
        """Whether it is this very process that has the id now."""
        return type(self).of(self.pid) == self

    def process(self) -> psutil.Process | None:
        """To signal it or look at it; None when it is gone."""
        try:
            process = psutil.Process(self.pid)
        except psutil.NoSuchProcess:
            return None
        return process if self.running() else None
