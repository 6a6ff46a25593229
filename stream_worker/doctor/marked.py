"""The document that is sent: it names nobody, and is like no other, so that no cache answers in place of the models."""

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from stream_worker.domain.documents import identity
from stream_worker.domain.wire import wire_schema

SOURCE = "finsentry-doctor"


@dataclass(frozen=True, slots=True)
class MarkedDocument:
    """`published_at` is now by the deployment's clock, so that screens show it and no clock is moved."""

    source_id: str
    published_at: datetime

    @classmethod
    def new(cls, published_at: datetime) -> "MarkedDocument":
        """One that nobody has seen."""
        return cls(secrets.token_hex(8), published_at)

    @property
    def document_id(self) -> str:
        """By which Postgres, the topic `scores` and Redis know it."""
        return identity(SOURCE, self.source_id, None)

    @property
    def message(self) -> bytes:
        """Publishes it."""
        return self._message(
            kind="news",
            lang="en",
            published_at=self.published_at,
            title=f"Check {self.source_id} of the way that every document takes: it names nobody, and is taken back",
        )

    @property
    def retraction(self) -> bytes:
        """Takes it back. A retraction that comes after its document counts whatever the clocks say."""
        return self._message(op="retract", updated_at=max(self.published_at, datetime.now(UTC)))

    def _message(self, **fields: Any) -> bytes:
        return wire_schema("document").encode({"source": SOURCE, "id": self.source_id, **fields})
