"""Checks that read every byte: only on request, they take as long as reading the topics."""

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

from stream_worker.verify.deployment import Deployment
from stream_worker.verify.report import EXAMPLES, Violations


async def receipts_digest_their_messages(deployment: Deployment) -> Violations:
    """Every receipt's digest is that of the message that the broker holds at its offset."""
    count, examples = 0, list[Mapping[str, Any]]()
    for partition in deployment.partitions:
        if not partition.span:
            continue
        read_to: int | None = None
        async for messages in deployment.log.messages(partition.topic, partition.partition, partition.span):
            found = await deployment.snapshot.violations(
                """
                SELECT r.topic, r.partition, r.kafka_offset, r.message_digest, m.digest AS digest_on_the_broker
                FROM receipts r
                LEFT JOIN unnest($3::bigint[], $4::bytea[]) AS m(kafka_offset, digest) USING (kafka_offset)
                WHERE r.topic = $1 AND r.partition = $2 AND r.kafka_offset BETWEEN $5 AND $6
                    AND r.message_digest IS DISTINCT FROM m.digest
                """,
                partition.topic,
                partition.partition,
                [message.offset for message in messages],
                [_digest(message.value) for message in messages],
                # What lies before the first message may have been deleted since its receipt was read.
                messages[0].offset if read_to is None else read_to + 1,
                read_to := messages[-1].offset,
            )
            count += found.count
            examples += found.examples
    return Violations(count, tuple(examples[:EXAMPLES]))


async def dead_letters_keep_the_bytes(deployment: Deployment) -> Violations:
    """Every dead letter's payload has the digest of its receipt, unless it was erased."""
    count, examples = 0, list[dict[str, Any]]()
    rows = deployment.snapshot.stream("""
        SELECT topic, partition, kafka_offset, r.message_digest, d.payload
        FROM dead_letters d JOIN receipts r USING (topic, partition, kafka_offset)
        WHERE r.outcome = 'dead_letter' AND d.erased_at IS NULL ORDER BY topic, partition, kafka_offset
    """)
    async for row in rows:
        digest = _digest(row["payload"])
        if digest != row["message_digest"]:
            count += 1
            if len(examples) < EXAMPLES:
                examples.append({**row, "payload": f"{len(row['payload'] or b'')} bytes", "payload_digest": digest})
    return Violations(count, tuple(examples))


def _digest(message: bytes | None) -> bytes:
    """BLAKE2b-128; of nothing for a message without a value."""
    return blake2b(message or b"", digest_size=16).digest()
