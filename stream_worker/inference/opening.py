"""Analyzers from settings. The backends are imported when they are opened: each takes its time to load."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from stream_worker.domain.lanes import Lane
from stream_worker.inference.analyzer import Analyzer
from stream_worker.inference.cache import AnalysisCache
from stream_worker.inference.contract import ModelPair, read_pair
from stream_worker.inference.encoding import Encoder
from stream_worker.inference.precedence import LeadingBackend, YieldingBackend
from stream_worker.settings import Settings


@asynccontextmanager
async def open_lanes(settings: Settings) -> AsyncIterator[Mapping[Lane, Analyzer]]:
    """An analyzer for each lane, in one Triton: the one of history gives way to the live one, in short passes.

    Analyses are cached together. Raises ContractError where Triton serves other models than `settings.model_repository`
    holds, Unavailable where it does not answer now (opening again may succeed), ConfigurationError where no Triton is
    known.
    """
    from stream_worker.inference.triton import TritonBackend

    models = await asyncio.to_thread(read_pair, settings.model_repository)
    async with TritonBackend(settings.require_triton_url(), models, settings.inference_timeout_seconds) as backend:
        await backend.check()
        encoder = _encoder(models)
        cache = AnalysisCache(settings.prediction_cache)
        live = LeadingBackend(backend)
        history = YieldingBackend(backend, live)
        yield {
            Lane.LIVE: Analyzer(models, encoder, live, cache),
            Lane.BACKFILL: Analyzer(models, encoder, history, cache, history.pass_tokens),
        }


@asynccontextmanager
async def open_onnx_analyzer(settings: Settings) -> AsyncIterator[Analyzer]:
    """An analyzer that runs the models in this process, without any server. Raises ContractError."""
    from stream_worker.inference.onnx import OnnxBackend

    models = await asyncio.to_thread(read_pair, settings.model_repository)
    backend = await asyncio.to_thread(OnnxBackend, models)
    try:
        yield Analyzer(models, _encoder(models), backend, AnalysisCache(settings.prediction_cache))
    finally:
        await asyncio.to_thread(backend.close)


def _encoder(models: ModelPair) -> Encoder:
    return Encoder(models.sentiment.tokenizer, models.sentiment.manifest.max_tokens)
