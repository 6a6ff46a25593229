"""What a page does when something is away or goes wrong: it says so in one sentence, and never shows a stack trace."""

from collections.abc import Callable, MutableMapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import structlog

from stream_worker.errors import FinsentryError

_Read = TypeVar("_Read")

_log = structlog.get_logger(__name__)

_UNEXPECTED = "Something went wrong while this page was read; it goes on trying. The dashboard's log says what."


@dataclass(frozen=True, slots=True)
class Reading(Generic[_Read]):
    """What a page has to show. With a `notice`, `value` is what was read last, or None before anything was."""

    value: _Read | None
    notice: str | None


def read(memory: MutableMapping[Any, Any], name: str, reading: Callable[[], _Read]) -> Reading[_Read]:
    """What `reading` returns; where it fails, what it returned last in this session (kept in `memory`)."""
    try:
        value = reading()
    except FinsentryError as error:
        return Reading(memory.get(name), str(error))
    except Exception:  # noqa: BLE001 - the reader of a page can do nothing about a defect; its log can
        _log.exception("reading failed", name=name)
        return Reading(memory.get(name), _UNEXPECTED)
    memory[name] = value
    return Reading(value, None)
