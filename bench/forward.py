"""The forward passes of both models alone, on token batches made beforehand: in this process, or through Triton."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from stream_worker.inference.backend import Backend
from stream_worker.inference.batching import TokenBatch, batches_of
from stream_worker.inference.contract import ENTITIES, SENTIMENT, ModelPair
from stream_worker.inference.encoding import Encoder
from stream_worker.settings import Settings


def token_batches(models: ModelPair, texts: Sequence[str], settings: Settings) -> list[list[TokenBatch]]:
    """For each batch of documents that the service would make, its token batches."""
    encoder = Encoder(models.sentiment.tokenizer, models.sentiment.manifest.max_tokens)
    size = settings.batch_documents
    chunks = [texts[start : start + size] for start in range(0, len(texts), size)]
    return [list(batches_of(encoder.encode(chunk))) for chunk in chunks]


@dataclass(frozen=True, slots=True)
class Speed:
    """Documents a second by the clock, and CPU seconds of this process for that many documents."""

    documents: int
    per_second: float
    cpu_seconds: float

    @property
    def cpu_per_document(self) -> float:
        """CPU seconds a document."""
        return self.cpu_seconds / self.documents


async def forward_passes(backend: Backend, chunks: Sequence[Sequence[TokenBatch]], in_flight: int) -> Speed:
    """As many batches of documents in flight as in the service; the first chunk is for warming up and not counted."""
    await _run(backend, chunks[0])
    slots = asyncio.Semaphore(in_flight)

    async def run(chunk: Sequence[TokenBatch]) -> None:
        async with slots:
            await _run(backend, chunk)

    began, began_cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(run(chunk) for chunk in chunks[1:]))
    seconds = time.perf_counter() - began
    documents = sum(len(batch.texts) for chunk in chunks[1:] for batch in chunk)
    return Speed(documents, documents / seconds, time.process_time() - began_cpu)


async def _run(backend: Backend, chunk: Sequence[TokenBatch]) -> None:
    await asyncio.gather(
        *(
            backend.infer(model, batch.input_ids, batch.attention_mask)
            for batch in chunk
            for model in (SENTIMENT, ENTITIES)
        )
    )
