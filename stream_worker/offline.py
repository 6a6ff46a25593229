"""`finsentry score`: the worker's own code over lines of a file, in process, without any server."""

import asyncio
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any, BinaryIO

import orjson

from stream_worker.assembly import assessor_from
from stream_worker.domain.documents import body_start, raw_text, time_in, title_and_body
from stream_worker.domain.mentions import Span
from stream_worker.domain.sentiment import LABELS, Sentiment
from stream_worker.errors import InvalidDocument
from stream_worker.inference.opening import open_onnx_analyzer
from stream_worker.pipelines.assess import Assessment, Assessor, Text
from stream_worker.settings import Settings

Output = dict[str, Any]


class _BadLine(Exception):
    """What is wrong with a line, and its id where it has one."""

    def __init__(self, identity: Any, error: str) -> None:
        super().__init__(error)
        self.identity = identity


async def score_lines(lines: BinaryIO, output: BinaryIO, settings: Settings, batch: int) -> int:
    """Write one line of output for each line of input, in order. Returns how many were bad."""
    bad = 0
    async with open_onnx_analyzer(settings) as analyzer:
        assessor = assessor_from(analyzer)
        for chunk in _chunks(lines, batch):
            outputs = await _score(chunk, assessor)
            bad += sum("error" in line for line in outputs)
            await asyncio.to_thread(output.write, b"".join(orjson.dumps(line) + b"\n" for line in outputs))
    output.flush()
    return bad


def _chunks(lines: BinaryIO, size: int) -> Iterator[list[bytes]]:
    while chunk := list(islice(lines, size)):
        yield chunk


async def _score(lines: Sequence[bytes], assessor: Assessor) -> list[Output]:
    parsed = [_parse(line) for line in lines]
    texts = [entry[1] for entry in parsed if not isinstance(entry, _BadLine)]
    assessments = iter(await assessor.assess(texts))
    return [
        {"id": entry.identity, "error": str(entry)}
        if isinstance(entry, _BadLine)
        else _output(entry[0], entry[1], next(assessments), assessor.model_version)
        for entry in parsed
    ]


def _parse(line: bytes) -> tuple[Any, Text] | _BadLine:
    identity = None
    try:
        fields = orjson.loads(line)
        if not isinstance(fields, dict):
            raise _BadLine(None, "not a JSON object")
        identity = fields.get("id")
        title, body = title_and_body(fields)
        raw, language = raw_text(title, body), fields.get("lang")
        declared = language if isinstance(language, str) else None
        now = datetime.now(UTC)
        day = (time_in(fields, "published_at", now) or now).date()
        return identity, Text(raw, day, declared, tuple(_targets(fields, raw)), body_start(title, body))
    except orjson.JSONDecodeError as error:
        return _BadLine(None, f"not JSON: {error}")
    except (_BadLine, InvalidDocument) as error:
        return _BadLine(identity, str(error))


def _targets(fields: Output, raw: str) -> Iterator[Span]:
    targets = fields.get("targets") or []
    if not isinstance(targets, list):
        raise _BadLine(None, "targets is not a list")
    for target in targets:
        start, end = (target.get("start"), target.get("end")) if isinstance(target, dict) else (None, None)
        if not isinstance(start, int) or not isinstance(end, int) or not 0 <= start < end <= len(raw):
            raise _BadLine(None, "a target needs start and end inside the text, in code points")
        yield Span(start, end)


def _output(identity: Any, text: Text, assessment: Assessment, model_version: str) -> Output:
    if assessment.sentiment is None:
        return {"id": identity, "unscored": assessment.unscored_reason}
    return {
        "id": identity,
        "sentiment": _sentiment(assessment.sentiment),
        "polarity": assessment.sentiment.polarity,
        "truncated": assessment.truncated,
        "mentions": [
            {
                **_span(found.mention.span, text.raw),
                "type": found.mention.type,
                "instrument": found.mention.instrument_id,
                "relevance": found.relevance,
                "sentiment": _sentiment(found.sentiment),
            }
            for found in assessment.mentions
        ],
        "targets": [
            {**_span(span, text.raw), "sentiment": _sentiment(s)}
            for span, s in zip(text.targets, assessment.targets, strict=True)
        ],
        "model": {"version": model_version, "directory": assessment.directory_version},
    }


def _span(span: Span, raw: str) -> Output:
    return {"text": raw[span.start : span.end], "start": span.start, "end": span.end}


def _sentiment(sentiment: Sentiment | None) -> Output | None:
    return None if sentiment is None else {label: getattr(sentiment, label) for label in LABELS}
