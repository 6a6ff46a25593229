"""The counts that come with a mixture are what decoding it line by line finds."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from stream_worker.errors import ConfigurationError, InvalidDocument
from stream_worker.ingest.junk import KINDS, encode
from stream_worker.ingest.mixture import mix
from tests.decoding import document_in

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)


def _originals(count: int) -> list[bytes]:
    return [
        encode(
            {
                "source": "test-wire",
                "kind": "news",
                "published_at": (NOW - timedelta(minutes=count - n)).isoformat().replace("+00:00", "Z"),
                "title": f"Company {n % 50} sells {n} boats",
                "channel": "boats",
                "url": f"https://example.com/{n}",
            }
        )
        for n in range(count)
    ]


def test_decoding_every_line_finds_exactly_the_counts() -> None:
    lines, counts = mix(_originals(2_000), seed=7, repeats=300, junk_lines=200, corrections=50)
    revisions: set[tuple[str, bytes]] = set()
    found: Counter[str] = Counter()
    for line in lines:
        try:
            document = document_in(line, NOW)
        except InvalidDocument:
            found["dead_letter"] += 1
            continue
        revision = document.document_id, document.content_digest
        found["duplicate" if revision in revisions else "accepted"] += 1
        revisions.add(revision)
    assert found == {
        "accepted": counts.accepted,
        "duplicate": counts.duplicate,
        "dead_letter": counts.dead_letter,
    }
    assert len(lines) == counts.lines == 2_550
    assert len({document_id for document_id, _ in revisions}) == counts.documents == 2_000
    assert len(revisions) == counts.revisions == 2_050
    assert sum(counts.dead_letter_kinds.values()) == 200
    assert set(counts.dead_letter_kinds) == set(KINDS)


def test_repeats_and_corrections_come_after_their_originals() -> None:
    originals = _originals(500)
    lines, _ = mix(originals, seed=3, repeats=200, junk_lines=0, corrections=100)
    seen: set[bytes] = set()
    urls: set[str | None] = set()
    for line in lines:
        document = document_in(line, NOW)
        if document.updated_at is not None:
            assert document.url in urls
            assert document.updated_at > document.published_at
            assert line not in originals
        seen.add(line)
        urls.add(document.url)
    first_places = [lines.index(original) for original in originals]
    assert first_places == sorted(first_places)


def test_the_same_seed_makes_the_same_mixture_and_another_seed_another() -> None:
    originals = _originals(300)
    small = {"repeats": 20, "junk_lines": 40, "corrections": 10}
    assert mix(originals, 1, **small) == mix(originals, 1, **small)
    assert mix(originals, 1, **small)[0] != mix(originals, 2, **small)[0]


def test_a_stream_whose_documents_are_not_distinct_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="no identity of its own"):
        mix(_originals(10) * 2, seed=1, repeats=1, junk_lines=1, corrections=1)
