"""Publishing: scores for everyone, dead letters for those who mend them."""

import asyncio
from base64 import b64encode

from aiokafka import AIOKafkaProducer

from stream_worker.domain.documents import Retraction, message_digest
from stream_worker.domain.scores import Score
from stream_worker.domain.sentiment import LABELS
from stream_worker.domain.wire import wire_schema
from stream_worker.pipelines.batch import DeadLetter, Emissions, Message

#: An envelope over the broker's limit would block its partition for ever; the whole bytes are in Postgres.
MAX_PAYLOAD_BYTES = 64_000


class Emitter:
    """Sends emissions through a producer with acks=all."""

    def __init__(self, producer: AIOKafkaProducer, scores_topic: str, dead_letters_topic: str) -> None:
        self._producer = producer
        self._scores_topic = scores_topic
        self._dead_letters_topic = dead_letters_topic

    async def emit(self, emissions: Emissions) -> None:
        """Returns when the broker has acknowledged every message. Raises KafkaError; sending again is harmless."""
        messages = [
            *((self._scores_topic, _score(score), score.instrument_id.encode() or None) for score in emissions.scores),
            *((self._scores_topic, _retraction(retraction), None) for retraction in emissions.retractions),
            *((self._dead_letters_topic, _dead_letter(*dead), None) for dead in emissions.dead_letters),
        ]
        sent = [await self._producer.send(topic, value, key=key) for topic, value, key in messages]
        for outcome in await asyncio.gather(*sent, return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome


def _score(score: Score) -> bytes:
    sentiment = score.sentiment
    return wire_schema("score").encode(
        {
            "score_id": score.score_id,
            "document_id": score.document_id,
            "content_digest": score.content_digest.hex(),
            "instrument_id": score.instrument_id or None,
            "relevance": score.relevance,
            "source": score.source,
            "kind": score.kind,
            "published_at": score.published_at,
            "updated_at": score.updated_at,
            "scored_at": score.scored_at,
            "sentiment": {label: getattr(sentiment, label) for label in LABELS},
            "polarity": sentiment.polarity,
            "model_version": score.model_version,
            "directory_version": score.directory_version,
        }
    )


def _retraction(retraction: Retraction) -> bytes:
    return wire_schema("retraction").encode(
        {
            "document_id": retraction.document_id,
            "content_digest": retraction.content_digest.hex(),
            "source": retraction.source,
            "updated_at": retraction.updated_at,
        }
    )


def _dead_letter(message: Message, dead_letter: DeadLetter) -> bytes:
    payload = message.value or b""
    return wire_schema("dead-letter").encode(
        {
            "topic": message.topic,
            "partition": message.partition,
            "offset": message.offset,
            "reason": dead_letter.reason,
            "detail": dead_letter.detail,
            "payload_base64": b64encode(payload[:MAX_PAYLOAD_BYTES]).decode(),
            "payload_bytes": len(payload),
            "payload_blake2b": message_digest(payload).hex(),
        }
    )
