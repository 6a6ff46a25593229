"""The two ways in: what is published now, and history."""

from enum import StrEnum


class Lane(StrEnum):
    """A document of the backfill lane waits until live ones leave room; nothing else about it is different."""

    LIVE = "live"
    BACKFILL = "backfill"
