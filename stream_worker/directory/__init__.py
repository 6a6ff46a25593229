"""The directory of instruments that comes with finsentry, or the user's own."""

from importlib.resources import files
from pathlib import Path

from stream_worker.domain.instruments import Directory, parse_directory
from stream_worker.errors import ConfigurationError


def load_directory(path: Path | None = None) -> Directory:
    """Read the directory at `path`, the built-in one where it is None.

    Raises ConfigurationError when it cannot be read, or names the line that does not hold.
    """
    source = files(__name__) / "instruments.csv" if path is None else path
    try:
        content = source.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"Cannot read the directory of instruments {source}: {error}.") from None
    return parse_directory(content.splitlines())
