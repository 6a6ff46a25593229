"""Messages that the tests know to be documents."""

from datetime import datetime

from stream_worker.domain.documents import Document, decode


def document_in(message: bytes | None, received_at: datetime) -> Document:
    """The document in a message that is no retraction. Raises InvalidDocument like `decode`."""
    content = decode(message, received_at)
    assert isinstance(content, Document)
    return content
