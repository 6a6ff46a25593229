"""The health check of Triton's container: exits 0 where each model given answers a real request.

Triton calls itself ready although the process behind a model is dead or hangs, and never starts such a process anew.
Docker, in turn, starts a container anew only when it ends. So this check ends a Triton of which a model is lost; the
restart policy then starts it again, and workers wait meanwhile. Silence alone proves little, because an answer may
wait behind the workers' requests: a model hangs only if nobody at all got an answer from it for a minute.

The standard library only: it runs with the Python of whatever image Triton comes in.
"""

import json
import os
import signal
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

#: So long a model may answer nobody before it is lost.
SILENT_SECONDS = 60.0
_ABOUT_ITSELF_SECONDS = 5.0
#: How Triton's Python backend says that it has lost the process behind a model.
_LOST_PROCESS = "stub process"
_TOKENS = [[1] * 8]


class Lost(Exception):
    """A model that will not answer before Triton is started anew."""


def check(server: str, model: str, silent_seconds: float = SILENT_SECONDS) -> None:
    """Ask the model for a forward pass over eight tokens.

    Raises Lost, or OSError where it does not answer for another reason.
    """
    answered = _answers(server, model)
    inputs = [
        {"name": name, "datatype": "INT64", "shape": [1, len(_TOKENS[0])], "data": _TOKENS}
        for name in ("input_ids", "attention_mask")
    ]
    try:
        _get(f"{server}/v2/models/{model}/infer", silent_seconds, {"inputs": inputs})
    except urllib.error.HTTPError as error:
        said = error.read(2000).decode(errors="replace")
        if _LOST_PROCESS in said.lower():
            raise Lost(said) from None
        raise OSError(f"{error.code}: {said}") from None
    except TimeoutError:
        if _answers(server, model) == answered:
            raise Lost(f"no answer to anybody for {silent_seconds:.0f} s") from None


def end_server() -> None:
    """Kill the server, a child of the container's first process."""
    for entry in Path("/proc").glob("[0-9]*/stat"):
        if _is_server(entry):
            os.kill(int(entry.parent.name), signal.SIGKILL)


def main(server: str, models: list[str]) -> str | None:
    """What is wrong, for the log of the health check; None where nothing is."""
    for model in models:
        try:
            check(server, model)
        except Lost as error:
            # Said first: the container ends with its server, and this process with the container.
            print(f"the model {model} is lost ({error}): ending Triton", flush=True)
            end_server()
            return "Triton is ended"
        except OSError as error:
            return f"the model {model} does not answer: {error}"
    return None


def _answers(server: str, model: str) -> int:
    statistics = _get(f"{server}/v2/models/{model}/stats", _ABOUT_ITSELF_SECONDS)
    return int(statistics["model_stats"][0]["inference_stats"]["success"]["count"])


def _get(url: str, seconds: float, body: object = None) -> Any:
    request = urllib.request.Request(url, None if body is None else json.dumps(body).encode())
    with urllib.request.urlopen(request, timeout=seconds) as response:
        return json.load(response)


def _is_server(stat: Path) -> bool:
    try:
        # The second field is the program's name in parentheses, which may hold anything; the fourth is its parent.
        head, _, rest = stat.read_text().rpartition(")")
    except OSError:
        return False
    return head.partition("(")[2] == "tritonserver" and rest.split()[1] == "1"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
