"""The same models the way people write it: one message, two requests, one insert, one commit at a time.

Run as `python -m bench.naive COUNT`, with the deployment's settings in the environment. Prints the documents a second.
"""

import asyncio
import json
import sys
import time
from typing import Any

import asyncpg
import numpy as np
from aiokafka import AIOKafkaConsumer
from numpy.typing import NDArray
from tokenizers import Tokenizer
from tritonclient.grpc.aio import InferenceServerClient, InferInput

from stream_worker.settings import Settings, load_settings


async def main(count: int) -> float:
    """Score `count` messages; documents a second from the first to the last."""
    settings = load_settings()
    tokenizer = Tokenizer.from_file(str(next(settings.model_repository.glob("sentiment/*/tokenizer.json"))))
    tokenizer.enable_truncation(256)
    triton = InferenceServerClient(settings.require_triton_url())
    url = settings.require_database_url().replace("+asyncpg", "")
    connection = await asyncpg.connect(url)
    await connection.execute(
        "CREATE TABLE naive (url text, title text, published_at text, negative float8, neutral float8, positive float8,"
        " tags int[])"
    )
    consumer = await _consumer(settings)
    try:
        began = 0.0
        for number in range(count):
            message = await consumer.getone()
            if number == 0:
                began = time.perf_counter()
            await _score(json.loads(message.value), tokenizer, triton, connection)
            await consumer.commit()
        return (count - 1) / (time.perf_counter() - began)
    finally:
        await consumer.stop()
        await connection.close()
        await triton.close()


async def _consumer(settings: Settings) -> AIOKafkaConsumer:
    consumer = AIOKafkaConsumer(
        settings.topic("documents"),
        bootstrap_servers=settings.require_kafka_bootstrap(),
        group_id=f"{settings.topic_prefix}naive",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    await consumer.start()
    return consumer


async def _score(
    document: dict[str, Any], tokenizer: Tokenizer, triton: InferenceServerClient, connection: asyncpg.Connection
) -> None:
    title = document.get("title") or document["text"]
    encoding = tokenizer.encode(title)
    ids = np.array([encoding.ids], dtype=np.int64)
    mask = np.array([encoding.attention_mask], dtype=np.int64)
    logits = (await _infer(triton, "sentiment", ids, mask)).as_numpy("document_logits")[0]
    tags = (await _infer(triton, "entities", ids, mask)).as_numpy("tag_logits")[0].argmax(axis=1)
    shares = np.exp(logits - logits.max())
    negative, neutral, positive = map(float, shares / shares.sum())
    await connection.execute(
        "INSERT INTO naive VALUES ($1, $2, $3, $4, $5, $6, $7)",
        document.get("url"), title, document["published_at"], negative, neutral, positive, tags.tolist(),
    )  # fmt: skip


async def _infer(triton: InferenceServerClient, model: str, ids: NDArray[np.int64], mask: NDArray[np.int64]) -> Any:
    inputs = []
    for name, values in (("input_ids", ids), ("attention_mask", mask)):
        tensor = InferInput(name, values.shape, "INT64")
        tensor.set_data_from_numpy(values)
        inputs.append(tensor)
    return await triton.infer(model, inputs)


if __name__ == "__main__":
    print(asyncio.run(main(int(sys.argv[1]))))
