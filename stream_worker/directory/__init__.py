"""The directory of instruments that comes with finsentry, and what brings others into it."""

from importlib.resources import files

from stream_worker.domain.directory_file import parse_directory
from stream_worker.domain.instruments import Directory


def built_in_lines() -> list[str]:
    """The lines of the directory's file."""
    return (files(__name__) / "instruments.csv").read_text(encoding="utf-8").splitlines()


def built_in_directory() -> Directory:
    """The directory of this release, as it is in a database that nobody has changed anything in."""
    return parse_directory(built_in_lines())
