"""The parts that the worker and offline scoring share, put together from settings in one place."""

from collections.abc import Callable, Mapping

from stream_worker.directory import built_in_directory
from stream_worker.domain.lanes import Lane
from stream_worker.domain.language import LanguageIdentifier
from stream_worker.domain.linking import Linker
from stream_worker.inference.analyzer import Analyzer
from stream_worker.pipelines.assess import Assessor

#: Languages that the served models know.
LANGUAGES = ("en",)


def assessor_from(analyzer: Analyzer) -> Assessor:
    """What turns texts into assessments, with the directory of instruments of this release."""
    linker = Linker(built_in_directory())
    return lane_assessors(lambda: linker, {Lane.LIVE: analyzer})[Lane.LIVE]


def lane_assessors(linker: Callable[[], Linker], analyzers: Mapping[Lane, Analyzer]) -> dict[Lane, Assessor]:
    """One for each lane, all with what `linker` gives at the time."""
    languages = LanguageIdentifier(LANGUAGES)
    return {lane: Assessor(analyzer, linker, languages, lane) for lane, analyzer in analyzers.items()}
