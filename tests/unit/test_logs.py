"""Structured logs."""

import io
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any, Literal

import pytest
import structlog

from stream_worker.logs import configure_logging
from stream_worker.settings import Settings

Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def _configured(level: Literal["debug", "info"] = "info") -> Lines:
    stream = io.StringIO()
    configure_logging(Settings(log_level=level), stream)
    return lambda: [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_says_when_how_severe_what_and_who() -> None:
    lines = _configured()
    structlog.get_logger("stream_worker.pipelines.scoring").info("committed", batch_id="b1", messages=128)
    (line,) = lines()
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "level": "info",
        "event": "committed",
        "logger": "stream_worker.pipelines.scoring",
        "batch_id": "b1",
        "messages": 128,
    }


def test_ids_that_were_bound_appear_on_every_line_also_on_those_of_libraries() -> None:
    lines = _configured()
    with structlog.contextvars.bound_contextvars(batch_id="b2", document_id="d1"):
        structlog.get_logger("stream_worker.app").info("scored")
        logging.getLogger("aiokafka.producer").warning("broker %s is away", 1)
    structlog.get_logger("stream_worker.app").info("idle")
    ours, library, later = lines()
    assert (ours["batch_id"], ours["document_id"]) == ("b2", "d1")
    assert (library["batch_id"], library["event"], library["level"]) == ("b2", "broker 1 is away", "warning")
    assert library["logger"] == "aiokafka.producer"
    assert "batch_id" not in later


def test_libraries_are_heard_from_warnings_on_unless_debugging_is_asked_for() -> None:
    lines = _configured()
    logging.getLogger("faust.app").info("rebalanced")
    structlog.get_logger("stream_worker.app").debug("a detail")
    assert lines() == []
    debug_lines = _configured("debug")
    logging.getLogger("faust.app").info("rebalanced")
    structlog.get_logger("stream_worker.app").debug("a detail")
    assert [line["event"] for line in debug_lines()] == ["rebalanced", "a detail"]


def test_configuring_twice_writes_every_line_once() -> None:
    _configured()
    lines = _configured()
    structlog.get_logger("stream_worker.app").info("once")
    assert [line["event"] for line in lines()] == ["once"]


@pytest.mark.parametrize("value", ["\ud800", "\0", b"\xff", 2**70, {1: object()}, {("a", 1): 2}, float("nan")])
def test_nothing_that_is_logged_can_make_logging_fail(value: object) -> None:
    lines = _configured()
    structlog.get_logger("stream_worker.app").info("strange", value=value)
    assert [line["event"] for line in lines()] == ["strange"]


def test_a_traceback_is_a_field_of_its_line() -> None:
    lines = _configured()
    for logger in (structlog.get_logger("stream_worker.app"), logging.getLogger("faust.app")):
        try:
            raise ValueError("a reason")
        except ValueError:
            logger.exception("failed")
    assert ["ValueError: a reason" in line["exception"] for line in lines()] == [True, True]


def test_the_console_format_is_not_json_and_has_no_colours_where_nobody_sees_them() -> None:
    stream = io.StringIO()
    configure_logging(Settings(log_format="console"), stream)
    structlog.get_logger("stream_worker.app").info("committed", batch_id="b3")
    assert "committed" in stream.getvalue()
    assert "batch_id=b3" in stream.getvalue()
    assert "\x1b" not in stream.getvalue()
