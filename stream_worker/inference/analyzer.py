"""A batch of texts in, an analysis of each out; no text is inferred twice."""

import asyncio
import time
import unicodedata
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

from stream_worker.domain.mentions import Entity, Span
from stream_worker.domain.sentiment import LABELS, Sentiment
from stream_worker.errors import Unavailable
from stream_worker.inference.analysis import Analysis
from stream_worker.inference.backend import Backend, logits_of, require_finite
from stream_worker.inference.batching import MAX_PADDED_TOKENS, TokenBatch, batches_of
from stream_worker.inference.cache import AnalysisCache, text_digest
from stream_worker.inference.contract import (
    DOCUMENT_LOGITS,
    ENTITIES,
    SENTIMENT,
    TAG_LOGITS,
    TAGS,
    TOKEN_LOGITS,
    ModelPair,
)
from stream_worker.inference.decoding import decode_entities
from stream_worker.inference.encoding import Encoder, Encodings
from stream_worker.metrics import ANALYSES

_HEALTH_TEXT = "markets"


class Analyzer:
    """Analyses texts with one pair of models. For one event loop; `analyze` may be called concurrently."""

    def __init__(
        self,
        models: ModelPair,
        encoder: Encoder,
        backend: Backend,
        cache: AnalysisCache,
        pass_tokens: Callable[[], int] = lambda: MAX_PADDED_TOKENS,
    ) -> None:
        """`pass_tokens` says how many padded tokens a forward pass may have now."""
        self.model_version = models.model_version
        #: When both models last answered, by `time.monotonic`.
        self.answered_at = float("-inf")
        self.encoder = encoder
        self._pass_tokens = pass_tokens
        self._backend = backend
        self._cache = cache
        self._in_flight: dict[bytes, asyncio.Future[Analysis]] = {}

    async def analyze(self, texts: Sequence[str]) -> list[Analysis]:
        """The analyses of clean texts, in their order.

        Identical texts, in this call or in another that is still running, are inferred once, and texts seen lately not
        at all. Raises Unavailable where the models cannot be asked now: what was inferred before the failure is
        remembered, so that the same call goes on from there. Raises ContractError where they answer nonsense, and
        ValueError for a text with lone surrogates.
        """
        digests = [text_digest(text) for text in texts]
        known: dict[bytes, Analysis] = {}
        running: dict[bytes, asyncio.Future[Analysis]] = {}
        missing: dict[bytes, str] = {}
        for digest, text in zip(digests, texts, strict=True):
            if digest in known or digest in running or digest in missing:
                continue
            if (analysis := self._cache.get(digest)) is not None:
                known[digest] = analysis
            elif (future := self._in_flight.get(digest)) is not None:
                running[digest] = future
            else:
                missing[digest] = text
        _count(len(known), len(running), len(missing))
        if missing:
            known |= await self._infer(missing)
        for digest, future in running.items():
            # Shielded: cancelling this call must not cancel what another one waits for.
            known[digest] = await asyncio.shield(future)
        return [known[digest] for digest in digests]

    async def health(self) -> None:
        """Ask both models a real question, past the cache. Raises Unavailable or ContractError.

        A server may call itself ready while the process behind a model is dead; only an inference tells.
        """
        await self._backend.check()
        encodings = self.encoder.encode([_HEALTH_TEXT])
        await _all(*(self._analyses(batch) for batch in self._batches(encodings)))

    def _batches(self, encodings: Encodings) -> Iterator[TokenBatch]:
        return batches_of(encodings, self._pass_tokens())

    async def _infer(self, missing: dict[bytes, str]) -> dict[bytes, Analysis]:
        futures = {digest: asyncio.get_running_loop().create_future() for digest in missing}
        self._in_flight.update(futures)
        try:
            encodings = await asyncio.to_thread(self.encoder.encode, list(missing.values()))
            texts = list(missing.items())
            await _all(*(self._resolve(texts, batch, futures) for batch in self._batches(encodings)))
        except Exception as error:
            _fail(futures, error)
            raise
        finally:
            _fail(futures, Unavailable("The call that was analysing the same text was cancelled."))
            for digest in futures:
                del self._in_flight[digest]
        return {digest: future.result() for digest, future in futures.items()}

    async def _resolve(
        self, texts: Sequence[tuple[bytes, str]], batch: TokenBatch, futures: dict[bytes, asyncio.Future[Analysis]]
    ) -> None:
        analyses = await self._analyses(batch)
        for number, analysis in zip(batch.texts.tolist(), analyses, strict=True):
            digest, text = texts[number]
            whole = analysis if text.isascii() else _with_combining_marks(analysis, text)
            self._cache.put(digest, whole)
            futures[digest].set_result(whole)

    async def _analyses(self, batch: TokenBatch) -> list[Analysis]:
        sentiment, entities = await _all(
            *(self._backend.infer(model, batch.input_ids, batch.attention_mask) for model in (SENTIMENT, ENTITIES))
        )
        self.answered_at = time.monotonic()
        rows, length = batch.input_ids.shape
        document = logits_of(sentiment, DOCUMENT_LOGITS, (rows, len(LABELS)))
        token = batch.real(logits_of(sentiment, TOKEN_LOGITS, (rows, length, len(LABELS))))
        tag = batch.real(logits_of(entities, TAG_LOGITS, (rows, length, len(TAGS))))
        for logits, name in ((document, DOCUMENT_LOGITS), (token, TOKEN_LOGITS), (tag, TAG_LOGITS)):
            require_finite(logits, name)
        encodings = batch.encodings
        columns = zip(
            document.tolist(),
            decode_entities(encodings, tag),
            encodings.truncated.tolist(),
            encodings.splits[:-1].tolist(),
            encodings.splits[1:].tolist(),
            strict=True,
        )
        return [
            Analysis(
                document=Sentiment.from_logits(logits),
                entities=found,
                truncated=truncated,
                # Copies, so that one analysis kept does not keep the whole batch in memory.
                token_logits=token[start + 1 : end - 1].copy(),
                token_edges=encodings.edges[start + 1 : end - 1].copy(),
            )
            for logits, found, truncated, start, end in columns
        ]


def _count(cached: int, shared: int, inferred: int) -> None:
    for source, texts in (("cache", cached), ("shared", shared), ("model", inferred)):
        ANALYSES.labels(source).inc(texts)


def _fail(futures: dict[bytes, asyncio.Future[Analysis]], error: Exception) -> None:
    for future in futures.values():
        if not future.done():
            future.set_exception(error)
            future.exception()  # Seen: nobody needs to be waiting for it.


async def _all(*awaitables: Awaitable[Any]) -> list[Any]:
    """Wait for all of them, whatever becomes of one; then raise the first error."""
    outcomes = await asyncio.gather(*awaitables, return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
    return outcomes


def _with_combining_marks(analysis: Analysis, text: str) -> Analysis:
    """The tokenizer drops combining marks; those behind an entity's last letter belong to it."""
    entities = tuple(
        Entity(Span(entity.span.start, _behind_marks(text, entity.span.end)), entity.type)
        for entity in analysis.entities
    )
    return Analysis(analysis.document, entities, analysis.truncated, analysis.token_logits, analysis.token_edges)


def _behind_marks(text: str, end: int) -> int:
    while end < len(text) and unicodedata.combining(text[end]):
        end += 1
    return end
