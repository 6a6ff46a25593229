"""Whether the models of a running Triton answer: the process behind one may be dead while Triton calls itself ready.

Triton does not start such a process again. Asking for a real inference finds it: Triton answers in its place, with an
error of its own. A process that hangs is found by its silence, and silence alone proves little: under load an answer
may take long. So whatever the model answers to anybody counts as well, by Triton's own statistics.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import grpc
from tritonclient.grpc import service_pb2, service_pb2_grpc

from stream_worker.inference.question import question

#: Between the end of one look and the next.
LOOK_SECONDS = 5.0
#: A question may wait behind those of the workers.
ANSWER_SECONDS = 10.0
#: Triton answers about itself at once.
_STATISTICS_SECONDS = 5.0
#: So long a model must have failed without a single answer, and be found failing twice.
FAILING_SECONDS = 5.0
#: So long it must have been silent, although it was asked.
SILENT_SECONDS = 60.0

#: How Triton's Python backend says that it has lost the process behind a model.
_LOST_PROCESS = "stub process"


@dataclass(slots=True)
class _Look:
    """A question to the model, and one to Triton about it."""

    inference: grpc.Future
    statistics: grpc.Future

    @property
    def is_over(self) -> bool:
        return bool(self.inference.done() and self.statistics.done())


class ModelWatch:
    """Looks at one model from time to time; never blocks.

    Until its first answer the model may take `start_seconds`.
    """

    def __init__(
        self, address: str, model: str, start_seconds: float, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._channel = grpc.insecure_channel(address, options=(("grpc.use_local_subchannel_pool", 1),))
        self._stub = service_pb2_grpc.GRPCInferenceServiceStub(self._channel)
        self._model = model
        self._monotonic = monotonic
        self._look: _Look | None = None
        self._look_at = monotonic()
        self._answered_at = monotonic()
        self._silent_seconds = start_seconds
        self._answers = 0
        self._failed_looks = 0
        self._failure = ""

    def ailment(self) -> str | None:
        """Why the model must be taken for dead, in words; None where it is not. To be called often."""
        now = self._monotonic()
        if self._look is None:
            if now >= self._look_at:
                self._look = self._begin()
            return None
        if not self._look.is_over:
            return None
        look, self._look, self._look_at = self._look, None, now + LOOK_SECONDS
        if self._has_answered(look):
            self._answered_at, self._failed_looks, self._silent_seconds = now, 0, SILENT_SECONDS
            return None
        silent = now - self._answered_at
        if self._failed_looks >= 2 and silent >= FAILING_SECONDS:
            return f"its model {self._model} fails: {self._failure}"
        if silent >= self._silent_seconds:
            return f"its model {self._model} has answered nothing for {silent:.0f} s"
        return None

    def close(self) -> None:
        """Give the connection up."""
        self._channel.close()

    def _begin(self) -> _Look:
        statistics = service_pb2.ModelStatisticsRequest(name=self._model)
        return _Look(
            self._stub.ModelInfer.future(question(self._model), timeout=ANSWER_SECONDS),
            self._stub.ModelStatistics.future(statistics, timeout=_STATISTICS_SECONDS),
        )

    def _has_answered(self, look: _Look) -> bool:
        """Whether the model answered this question, or anybody's since the last look."""
        answers = self._answers
        if look.statistics.exception() is None:
            (known,) = look.statistics.result().model_stats
            self._answers = known.inference_stats.success.count
        error = look.inference.exception()
        if error is None or self._answers > answers:
            return True
        if error.code() is grpc.StatusCode.INTERNAL and _LOST_PROCESS in error.details().lower():
            self._failed_looks += 1
            self._failure = error.details()
            return False
        # Any other refusal comes from a process that lives: starting it again would not change its mind.
        return error.code() not in (grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.UNAVAILABLE)
