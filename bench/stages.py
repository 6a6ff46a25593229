"""What each stage of the pipeline costs in CPU time, with a null model, one batch after the other in this process."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

from sqlalchemy.ext.asyncio import AsyncEngine

from bench.deployment import Deployment
from bench.null_models import NullBackend
from stream_worker.app import start_producer
from stream_worker.assembly import LANGUAGES, assessor_from
from stream_worker.domain.documents import Document, decode, message_digest
from stream_worker.domain.language import LanguageIdentifier
from stream_worker.domain.text import clean
from stream_worker.inference.analyzer import Analyzer
from stream_worker.inference.batching import batches_of
from stream_worker.inference.cache import AnalysisCache
from stream_worker.inference.contract import ENTITIES, SENTIMENT, read_pair
from stream_worker.inference.encoding import Encoder
from stream_worker.pipelines.assess import Text
from stream_worker.pipelines.batch import Message
from stream_worker.pipelines.emission import Emitter
from stream_worker.pipelines.scoring import ScoringPipeline
from stream_worker.storage.batches import known_revisions, receipts_at
from stream_worker.storage.engine import create_engine


class _Clock:
    """CPU seconds of this process, all threads, by name."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        began = time.process_time()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.process_time() - began


async def stages(deployment: Deployment, lines: Sequence[bytes]) -> dict[str, float]:
    """Microseconds a document of each stage, in the order of the pipeline. The first batch is not counted."""
    settings = deployment.settings
    models = read_pair(settings.model_repository)
    encoder = Encoder(models.sentiment.tokenizer, models.sentiment.manifest.max_tokens)
    null = NullBackend()
    analyzer = Analyzer(models, encoder, null, AnalysisCache(settings.prediction_cache))
    engine = create_engine(settings.require_database_url())
    producer = await start_producer(settings)
    emitter = Emitter(producer, settings.topic("scores"), settings.topic("dead-letters"))
    pipeline = ScoringPipeline(
        engine,
        assessor_from(analyzer),
        emitter,
        now=lambda: datetime.now(UTC),
        code_version="bench",
        dead_letter_limit=0,
    )
    size = settings.batch_documents
    batches = [
        [Message("bench", 0, offset, None, line) for offset, line in enumerate(lines[start : start + size], start)]
        for start in range(0, len(lines), size)
    ]
    clock = _Clock()
    languages = LanguageIdentifier(LANGUAGES)
    try:
        for number, messages in enumerate(batches):
            if number == 1:
                clock.seconds.clear()
            await _measure(clock, messages, engine, pipeline, encoder, null, analyzer, languages)
    finally:
        await producer.stop()
        await engine.dispose()
    documents = len(lines) - len(batches[0])
    return _itemised({name: seconds / documents * 1e6 for name, seconds in clock.seconds.items()})


async def _measure(
    clock: _Clock,
    messages: list[Message],
    engine: AsyncEngine,
    pipeline: ScoringPipeline,
    encoder: Encoder,
    null: NullBackend,
    analyzer: Analyzer,
    languages: LanguageIdentifier,
) -> None:
    now = datetime.now(UTC)
    with clock("digest, decode and validate"):
        for message in messages:
            message_digest(message.value)
        contents = [decode(message.value, now) for message in messages]
    documents = [content for content in contents if isinstance(content, Document)]
    with clock("clean"):
        cleaned = [clean(document.raw_text) for document in documents]
    with clock("identify the language"):
        for c in cleaned:
            languages.identify(c.text)
    texts = [c.text for c in cleaned]
    with clock("tokenize"):
        encodings = encoder.encode(texts)
    token_batches = list(batches_of(encodings))
    with clock("null model"):
        for batch in token_batches:
            for model in (SENTIMENT, ENTITIES):
                await null.infer(model, batch.input_ids, batch.attention_mask)
    with clock("analyze"):
        await analyzer.analyze(texts)
    # From here on the analyses come from the cache.
    with clock("assess, cached"):
        raw = [Text(d.raw_text, d.published_at.date(), body_start=d.body_start) for d in documents]
        await pipeline._assessor.assess(raw)
    async with engine.connect() as connection:
        with clock("look up receipts and revisions"):
            await receipts_at(connection, [message.position for message in messages])
            await known_revisions(connection, [(d.document_id, d.content_digest) for d in documents])
    batch_of_messages = await pipeline.prepare("bench", messages)
    with clock("commit"):
        emissions = await pipeline.commit(batch_of_messages)
    with clock("publish scores"):
        await pipeline.emit(emissions)


def _itemised(micros: dict[str, float]) -> dict[str, float]:
    """Differences of what contains one another."""
    cheap = micros["clean"] + micros["identify the language"]
    return {
        "digest, decode and validate": micros["digest, decode and validate"],
        "clean": micros["clean"],
        "identify the language": micros["identify the language"],
        "tokenize": micros["tokenize"],
        "pad, read logits, find entities": micros["analyze"] - micros["tokenize"] - micros["null model"],
        "link and score mentions": micros["assess, cached"] - cheap,
        "look up receipts and revisions": micros["look up receipts and revisions"],
        "commit": micros["commit"],
        "publish scores": micros["publish scores"],
    }
