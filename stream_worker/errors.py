"""Every error that finsentry raises on purpose. The type decides what happens.

    FinsentryError
    ├── ConfigurationError      a person must change something        → stop, exit 78
    │   ├── ContractError       the served model is not what we expect
    │   └── MissingProgramError a program of the embedded stack is not installed
    ├── InvalidDocument         the document's own fault              → dead letter
    ├── Unavailable             a server is away for now              → retry with back-off
    ├── FeedProblem             a feed cannot be fetched or read      → that feed waits, the others go on
    ├── ServerFailed            a server of the embedded stack died   → say why, exit 1
    └── StopWorker              going on would hide or lose data      → stop loudly, exit 1
        ├── TopicRecreated      an offset came back with other bytes
        └── TooManyDeadLetters  the input is all bad

Messages are sentences for the person who reads them: what is wrong, and what to do.
"""

import errno
import os


class FinsentryError(Exception):
    """Base of all errors raised on purpose."""


class ConfigurationError(FinsentryError):
    """A person must change something; trying again cannot help."""


class ContractError(ConfigurationError):
    """The served model's labels, tensors, tokenizer or weights differ from what this code expects."""


class MissingProgramError(ConfigurationError):
    """A program or package that the embedded stack needs is not there."""


class InvalidDocument(FinsentryError):
    """A message that cannot become a document. `reason` is one of `domain.refusals.Reason`; `field` is the wire
    field that is to blame, None for the message as a whole."""

    def __init__(self, reason: str, detail: str, field: str | None = None) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
        self.field = field


class Unavailable(FinsentryError):
    """A server is away or overloaded; the same call may succeed later. `server` says which, for the count of retries:
    kafka, postgres, redis, triton or other."""

    def __init__(self, message: str, server: str = "other") -> None:
        super().__init__(message)
        self.server = server


class FeedProblem(FinsentryError):
    """A feed that cannot be fetched or read. `reason` is one of `ingest.feeds.problems.Reason`.

    `retry_after_seconds` is how long its server asks to be left alone.
    """

    def __init__(self, reason: str, detail: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(reason, detail, retry_after_seconds)
        self.reason = reason
        self.detail = detail
        self.retry_after_seconds = retry_after_seconds

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}"


class ServerFailed(FinsentryError):
    """A server of the embedded stack died, or does not answer in time."""


class StopWorker(FinsentryError):
    """Going on would hide or lose data."""


class TopicRecreated(StopWorker):
    """A known offset came back with other bytes: the topic was made anew under the same name."""


class TooManyDeadLetters(StopWorker):
    """So many messages in a row were bad that a bad deploy is likelier than bad input."""


def in_words(error: BaseException) -> str:
    """Whatever a library raised, in one line without a full stop, for a person."""
    if isinstance(error, OSError) and error.errno:
        return (os.strerror(error.errno) if error.errno in errno.errorcode else str(error)).lower()
    # SQLAlchemy adds the statement on lines of its own.
    return (str(error).partition("\n")[0] or type(error).__name__)[:300].rstrip(".")
