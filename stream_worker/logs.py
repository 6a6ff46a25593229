"""Structured logs on standard error: one JSON object a line, or coloured text for people.

Every line has `timestamp`, `level`, `event` and `logger`, and whatever was bound: `batch_id`, `document_id` …, as
arguments of the call or through `structlog.contextvars.bound_contextvars`. Loggers of the standard library (Faust,
aiokafka, SQLAlchemy) come out in the same form.
"""

import json
import logging
import sys
from collections.abc import Callable
from typing import Any, TextIO

import orjson
import structlog
from structlog.typing import Processor

from stream_worker.settings import Settings

#: Ours; every other logger says only what is at least a warning, unless debug was asked for.
_OWN_LOGGERS = ("stream_worker", "dashboard", "triton_models")


def configure_logging(settings: Settings, stream: TextIO | None = None) -> None:
    """Send everything that is logged in this process to `stream` (standard error) in `settings.log_format`.

    Takes the place of whatever was configured before. Logging never raises for what is logged: what JSON cannot say is
    written as its `repr`.
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    handler = logging.StreamHandler(stream if stream is not None else sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_rendering(settings, handler)],
        )
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    _set_levels(settings, handler)


def _set_levels(settings: Settings, handler: logging.Handler) -> None:
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level if level <= logging.DEBUG else max(level, logging.WARNING))
    for name in _OWN_LOGGERS:
        logging.getLogger(name).setLevel(level)


def _rendering(settings: Settings, handler: "logging.StreamHandler[TextIO]") -> list[Processor]:
    if settings.log_format == "console":
        return [structlog.dev.ConsoleRenderer(colors=handler.stream.isatty())]
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(serializer=_to_json)]


def _to_json(event: Any, default: Callable[[Any], Any] | None = None, **_: Any) -> str:
    try:
        return orjson.dumps(event, default=repr, option=orjson.OPT_NON_STR_KEYS).decode()
    except (TypeError, ValueError, RecursionError):
        # Lone surrogates, integers over 64 bits: the standard library escapes what orjson refuses.
        return json.dumps(event, default=repr, skipkeys=True)
