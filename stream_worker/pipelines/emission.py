"""Publishing: scores for everyone, dead letters for those who mend them."""

import asyncio
from base64 import b64encode
from collections.abc import Awaitable
from typing import Any

import orjson
from aiokafka import AIOKafkaProducer

from stream_worker.domain.documents import message_digest
from stream_worker.domain.scores import Score
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
        sent: list[Awaitable[Any]] = []
        for score in emissions.scores:
            key = score.instrument_id.encode() or None
            sent.append(await self._producer.send(self._scores_topic, _score(score), key=key))
        for message, dead_letter in emissions.dead_letters:
            sent.append(await self._producer.send(self._dead_letters_topic, _envelope(message, dead_letter)))
        for outcome in await asyncio.gather(*sent, return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome


def _score(score: Score) -> bytes:
    sentiment = score.sentiment
    return orjson.dumps(
        {
            "schema": "finsentry.score/1",
            "score_id": score.score_id,
            "document_id": score.document_id,
            "content_digest": score.content_digest.hex(),
            "instrument_id": score.instrument_id or None,
            "source": score.source,
            "kind": score.kind,
            "published_at": score.published_at,
            "scored_at": score.scored_at,
            "sentiment": {
                "negative": sentiment.negative,
                "neutral": sentiment.neutral,
                "positive": sentiment.positive,
            },
            "polarity": sentiment.polarity,
            "model_version": score.model_version,
            "directory_version": score.directory_version,
        }
    )


def _envelope(message: Message, dead_letter: DeadLetter) -> bytes:
    payload = message.value or b""
    return orjson.dumps(
        {
            "schema": "finsentry.dead-letter/1",
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
