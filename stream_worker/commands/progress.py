"""A progress bar on standard error."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn


@contextmanager
def bar(read_bytes: Callable[[], int], total_bytes: int) -> Iterator[Callable[[], None]]:
    """Yields what is to be called when there may be progress; the bar follows `read_bytes` up to `total_bytes`."""
    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("replay", total=total_bytes)
        calls = 0

        def advance() -> None:
            nonlocal calls
            calls += 1
            # Asking the file and redrawing for every line would cost more than sending it.
            if calls % 200 == 0:
                progress.update(task, completed=read_bytes())

        yield advance
        progress.update(task, completed=read_bytes())
