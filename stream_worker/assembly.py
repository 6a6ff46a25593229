"""The parts that the worker and offline scoring share, put together from settings in one place."""

from collections.abc import Mapping

from stream_worker.directory import load_directory
from stream_worker.domain.lanes import Lane
from stream_worker.domain.language import LanguageIdentifier
from stream_worker.domain.linking import Linker
from stream_worker.inference.analyzer import Analyzer
from stream_worker.pipelines.assess import Assessor
from stream_worker.settings import Settings

#: Languages that the served models know.
LANGUAGES = ("en",)


def assessor_from(settings: Settings, analyzer: Analyzer) -> Assessor:
    """What turns texts into assessments. Raises ConfigurationError where the directory of instruments is bad."""
    return lane_assessors(settings, {Lane.LIVE: analyzer})[Lane.LIVE]


def lane_assessors(settings: Settings, analyzers: Mapping[Lane, Analyzer]) -> dict[Lane, Assessor]:
    """One for each lane, with one directory of instruments. Raises ConfigurationError where that is bad."""
    linker = Linker(load_directory(settings.instruments))
    languages = LanguageIdentifier(LANGUAGES)
    return {lane: Assessor(analyzer, linker, languages, lane) for lane, analyzer in analyzers.items()}
