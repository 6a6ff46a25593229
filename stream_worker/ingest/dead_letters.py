"""Messages that could not become documents: looking at them, and giving them another chance."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, literal, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from stream_worker.errors import FinsentryError
from stream_worker.ingest.publisher import Publisher
from stream_worker.storage.batches import Position
from stream_worker.storage.schema import dead_letters

#: Letters that are read, sent and marked together: bounds memory, a letter has up to 1 MiB.
_BATCH = 32
_POSITION = (dead_letters.c.topic, dead_letters.c.partition, dead_letters.c.kafka_offset)


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which dead letters are meant: those of a reason, those at certain (topic, partition, offset)s, or all; `topic`
    leaves only those that came on it."""

    reason: str | None = None
    positions: tuple[Position, ...] = ()
    topic: str | None = None


@dataclass(frozen=True, slots=True)
class DeadLetterRow:
    """A dead letter. `preview` is the beginning of its payload; `payload_bytes` is None where it has no value."""

    topic: str
    partition: int
    offset: int
    reason: str
    detail: str
    payload_bytes: int | None
    preview: bytes
    received_at: datetime
    replayed_at: datetime | None


@dataclass(frozen=True, slots=True)
class Replayed:
    """`without_value`: letters of messages with neither key nor value. `too_large`: over the topic's present limit."""

    replayed: int
    without_value: int
    too_large: int

    def __add__(self, other: "Replayed") -> "Replayed":
        return Replayed(
            self.replayed + other.replayed,
            self.without_value + other.without_value,
            self.too_large + other.too_large,
        )

    @property
    def seen(self) -> int:
        """All that were chosen."""
        return self.replayed + self.without_value + self.too_large


async def count_by_reason(connection: AsyncConnection) -> dict[str, int]:
    """How many dead letters there are of each reason, most first."""
    number = func.count()
    rows = await connection.execute(
        select(dead_letters.c.reason, number).group_by(dead_letters.c.reason).order_by(number.desc())
    )
    return dict(rows.tuples().all())


async def newest(connection: AsyncConnection, chosen: Chosen, limit: int, preview_bytes: int) -> list[DeadLetterRow]:
    """The chosen ones, newest first."""
    columns = dead_letters.c
    query = (
        _where(select(*_POSITION, columns.reason, columns.detail), chosen)
        .add_columns(
            func.octet_length(columns.payload),
            func.coalesce(func.substring(columns.payload, 1, preview_bytes), b""),
            columns.received_at,
            columns.replayed_at,
        )
        .order_by(columns.received_at.desc(), *(column.desc() for column in _POSITION))
        .limit(limit)
    )
    rows = await connection.execute(query)
    return [DeadLetterRow(*row) for row in rows]


async def count_waiting_elsewhere(connection: AsyncConnection, chosen: Chosen, topics: Sequence[str]) -> dict[str, int]:
    """How many of the chosen ones that were never replayed came on other topics than these, by their topic."""
    columns = dead_letters.c
    query = _where(select(columns.topic, func.count()), chosen)
    waiting = columns.replayed_at.is_(None), columns.erased_at.is_(None), columns.topic.not_in(topics)
    rows = await connection.execute(query.where(*waiting).group_by(columns.topic).order_by(columns.topic))
    return dict(rows.tuples().all())


async def replay_dead_letters(engine: AsyncEngine, publisher: Publisher, chosen: Chosen, now: datetime) -> Replayed:
    """Publish the chosen ones' bytes and keys again, unchanged, oldest position first, and mark them as replayed.

    Letters are marked after Kafka has acknowledged them; dying in between sends them again next time. What was replayed
    before is sent again only where it is named by its position. Two that replay at once do not send the same letter.
    Raises FinsentryError where Kafka refuses a letter.
    """
    total = Replayed(0, 0, 0)
    last: Position | None = None
    while True:
        async with engine.begin() as connection:
            letters = await _next_letters(connection, chosen, last)
            if not letters:
                return total
            done = await _publish(publisher, letters)
            await _mark(connection, done.positions, now)
        total += Replayed(len(done.positions), done.without_value, done.too_large)
        last = letters[-1].position


@dataclass(frozen=True, slots=True)
class _Letter:
    position: Position
    key: bytes | None
    payload: bytes | None


@dataclass(slots=True)
class _Done:
    positions: list[Position] = field(default_factory=list)
    without_value: int = 0
    too_large: int = 0


async def _next_letters(connection: AsyncConnection, chosen: Chosen, last: Position | None) -> list[_Letter]:
    query = _where(select(*_POSITION, dead_letters.c.message_key, dead_letters.c.payload), chosen)
    query = query.where(dead_letters.c.erased_at.is_(None))
    if not chosen.positions:
        query = query.where(dead_letters.c.replayed_at.is_(None))
    if last is not None:
        query = query.where(tuple_(*_POSITION) > tuple_(*map(literal, last)))
    rows = await connection.execute(query.order_by(*_POSITION).limit(_BATCH).with_for_update(skip_locked=True))
    return [_Letter((topic, partition, offset), key, payload) for topic, partition, offset, key, payload in rows]


async def _publish(publisher: Publisher, letters: Sequence[_Letter]) -> _Done:
    """Returns when Kafka has acknowledged those at the positions."""
    done = _Done()
    refused = publisher.delivery.refused
    for letter in letters:
        if letter.payload is None and letter.key is None:
            done.without_value += 1  # The client can send no message of nothing; nor could it become a document.
        elif await publisher.publish(letter.payload, letter.key):
            done.positions.append(letter.position)
        else:
            done.too_large += 1
    await publisher.flush()
    if publisher.delivery.refused > refused:
        raise FinsentryError("Kafka refused a dead letter (the log says why); its batch is not marked as replayed.")
    return done


async def _mark(connection: AsyncConnection, positions: Sequence[Position], now: datetime) -> None:
    if positions:
        await connection.execute(update(dead_letters).where(tuple_(*_POSITION).in_(positions)).values(replayed_at=now))


def _where(query: Select[Any], chosen: Chosen) -> Select[Any]:
    if chosen.reason is not None:
        query = query.where(dead_letters.c.reason == chosen.reason)
    if chosen.positions:
        query = query.where(tuple_(*_POSITION).in_(chosen.positions))
    if chosen.topic is not None:
        query = query.where(dead_letters.c.topic == chosen.topic)
    return query
