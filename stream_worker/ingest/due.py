"""What is published, and when."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Due:
    """A message, and when to publish it: seconds after the beginning.

    `value` is None for a line that is longer than a message may be; `origin` says where it came from.
    """

    after_seconds: float
    value: bytes | None
    origin: str
