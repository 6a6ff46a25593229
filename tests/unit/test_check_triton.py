"""A model that answers nobody is lost; one whose answers are merely late is not.

The server is one of our own: a real Triton with a process that hangs sometimes says so and sometimes does not.
"""

import json
import runpy
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

CHECK = runpy.run_path(str(Path(__file__).parents[2] / "deploy" / "check_triton.py"))


class HangingTriton(ThreadingHTTPServer):
    """Answers about itself, and to no request for an inference. `answers` has the counts that it tells, in order."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: list[int] = []
        self.ending = threading.Event()


class _Handler(BaseHTTPRequestHandler):
    server: HangingTriton

    def do_GET(self) -> None:
        success = {"success": {"count": self.server.answers.pop(0)}}
        body = json.dumps({"model_stats": [{"inference_stats": success}]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.server.ending.wait()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's own name
        pass


@pytest.fixture
def hanging() -> Iterator[HangingTriton]:
    """Running."""
    with HangingTriton() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.ending.set()
        server.shutdown()
        thread.join()


def test_a_model_that_answers_nobody_is_lost(hanging: HangingTriton) -> None:
    hanging.answers = [7, 7]
    with pytest.raises(CHECK["Lost"], match="no answer to anybody"):
        CHECK["check"](f"http://127.0.0.1:{hanging.server_port}", "sentiment", 0.2)


def test_a_model_that_answers_others_is_not(hanging: HangingTriton) -> None:
    hanging.answers = [7, 8]
    CHECK["check"](f"http://127.0.0.1:{hanging.server_port}", "sentiment", 0.2)
    assert hanging.answers == []


def test_a_server_that_is_not_there_is_away_and_not_lost() -> None:
    said = CHECK["main"]("http://127.0.0.1:1", ["sentiment"])
    assert "does not answer" in said
