"""Checks of receipts: what became of each Kafka message, and what the receipt points to."""

from collections.abc import Iterator, Sequence
from typing import Any

from stream_worker.verify.deployment import Deployment
from stream_worker.verify.report import EXAMPLES, Partition, Violations

#: Gaps with fewer offsets between them are read in one go: a seek costs as much as reading some thousand messages.
NEAR_OFFSETS = 5_000


async def offsets_have_receipts(deployment: Deployment) -> Violations:
    """Every message up to the committed offset has a receipt.

    Offsets without a receipt are looked up on the broker: only those that carry a message count.
    """
    gaps = await _gaps(deployment)
    count, examples = 0, list[dict[str, Any]]()
    for partition in deployment.partitions:
        spans = [
            range(gap["first"], gap["stop"])
            for gap in gaps
            if (gap["topic"], gap["partition"]) == (partition.topic, partition.partition)
        ]
        for near in _grouped(spans):
            async for offset in _offsets_with_a_message(deployment, partition, near):
                count += 1
                if len(examples) < EXAMPLES:
                    where = {"topic": partition.topic, "partition": partition.partition}
                    examples.append({**where, "kafka_offset": offset})
    return Violations(count, tuple(examples))


async def offsets_have_one_receipt(deployment: Deployment) -> Violations:
    """No message has two receipts."""
    return await deployment.snapshot.violations("""
        SELECT topic, partition, kafka_offset, count(*) AS receipts
        FROM receipts GROUP BY topic, partition, kafka_offset HAVING count(*) > 1
    """)


async def receipts_have_messages(deployment: Deployment) -> Violations:
    """No receipt lies at or past the end of its partition's log: such a topic was made anew under its old name."""
    return await deployment.snapshot.violations(
        """
        SELECT r.topic, r.partition, r.kafka_offset, p.log_end
        FROM unnest($1::text[], $2::int[], $3::bigint[]) AS p(topic, partition, log_end)
        JOIN receipts r ON r.topic = p.topic AND r.partition = p.partition AND r.kafka_offset >= p.log_end
        """,
        *_columns([(p.topic, p.partition, p.end) for p in deployment.partitions]),
    )


async def committed_offsets_are_in_the_log(deployment: Deployment) -> Violations:
    """No committed offset lies past the end of its partition's log: the messages to come there would be skipped."""
    beyond = [p for p in deployment.partitions if p.committed is not None and p.committed > p.end]
    examples = (
        {"topic": p.topic, "partition": p.partition, "committed": p.committed, "log_end": p.end} for p in beyond
    )
    return Violations(len(beyond), tuple(examples)[:EXAMPLES])


async def accepted_receipts_have_documents(deployment: Deployment) -> Violations:
    """Every accepted receipt points to a document revision that is stored."""
    return await deployment.snapshot.violations("""
        SELECT r.topic, r.partition, r.kafka_offset, r.document_id, r.content_digest
        FROM receipts r
        WHERE r.outcome = 'accepted' AND NOT EXISTS (
            SELECT FROM documents d WHERE d.document_id = r.document_id AND d.content_digest = r.content_digest
        )
    """)


async def duplicates_have_originals(deployment: Deployment) -> Violations:
    """Every duplicate points to a stored document revision that another receipt accepted."""
    return await deployment.snapshot.violations("""
        SELECT r.topic, r.partition, r.kafka_offset, r.document_id, r.content_digest,
            d.document_id IS NOT NULL AS is_stored, a.document_id IS NOT NULL AS was_accepted
        FROM receipts r
        LEFT JOIN documents d USING (document_id, content_digest)
        LEFT JOIN (
            SELECT DISTINCT document_id, content_digest FROM receipts WHERE outcome = 'accepted'
        ) AS a USING (document_id, content_digest)
        WHERE r.outcome = 'duplicate' AND (d.document_id IS NULL OR a.document_id IS NULL)
    """)


async def erased_receipts_have_erasures(deployment: Deployment) -> Violations:
    """Every message that was not stored because its document was erased points to that erasure."""
    return await deployment.snapshot.violations("""
        SELECT r.topic, r.partition, r.kafka_offset, r.document_id
        FROM receipts r LEFT JOIN erasures e USING (document_id)
        WHERE r.outcome = 'erased' AND e.document_id IS NULL
    """)


async def dead_letters_match_receipts(deployment: Deployment) -> Violations:
    """Every dead-letter receipt has its row of dead_letters and the other way round, with equal reasons."""
    return await deployment.snapshot.violations("""
        SELECT topic, partition, kafka_offset, r.reason AS receipt_reason, d.reason AS dead_letter_reason
        FROM (SELECT topic, partition, kafka_offset, reason FROM receipts WHERE outcome = 'dead_letter') r
        FULL JOIN dead_letters d USING (topic, partition, kafka_offset)
        WHERE r.reason IS DISTINCT FROM d.reason
    """)


async def _gaps(deployment: Deployment) -> Sequence[Any]:
    """(topic, partition, first, stop) of runs of offsets without a receipt, ascending."""
    return await deployment.snapshot.rows(
        """
        WITH spans AS (
            SELECT * FROM unnest($1::text[], $2::int[], $3::bigint[], $4::bigint[]) AS s(topic, partition, first, stop)
        ), known AS (
            SELECT s.topic, s.partition, r.kafka_offset
            FROM spans s JOIN receipts r ON r.topic = s.topic AND r.partition = s.partition
                AND r.kafka_offset >= s.first AND r.kafka_offset < s.stop
            UNION ALL SELECT topic, partition, first - 1 FROM spans
            UNION ALL SELECT topic, partition, stop FROM spans
        ), steps AS (
            SELECT topic, partition, kafka_offset,
                lead(kafka_offset) OVER (PARTITION BY topic, partition ORDER BY kafka_offset) AS following
            FROM known
        )
        SELECT topic, partition, kafka_offset + 1 AS first, following AS stop
        FROM steps WHERE following > kafka_offset + 1 ORDER BY topic, partition, first
        """,
        *_columns([(p.topic, p.partition, p.span.start, p.span.stop) for p in deployment.partitions]),
    )


async def _offsets_with_a_message(deployment: Deployment, partition: Partition, gaps: Sequence[range]) -> Any:
    """Of the offsets in the gaps, those that the broker has a message at."""
    ahead = list(reversed(gaps))
    whole = range(gaps[0].start, gaps[-1].stop)
    async for messages in deployment.log.messages(partition.topic, partition.partition, whole):
        for message in messages:
            while ahead and ahead[-1].stop <= message.offset:
                ahead.pop()
            if ahead and message.offset in ahead[-1]:
                yield message.offset


def _grouped(spans: Sequence[range]) -> Iterator[list[range]]:
    """Ascending spans, those near each other together."""
    group: list[range] = []
    for span in spans:
        if group and span.start - group[-1].stop > NEAR_OFFSETS:
            yield group
            group = []
        group.append(span)
    if group:
        yield group


def _columns(rows: Sequence[tuple[Any, ...]]) -> list[list[Any]]:
    """Rows, of which there is at least one, as one list a column."""
    return [list(column) for column in zip(*rows, strict=True)]
