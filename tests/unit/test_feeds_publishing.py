"""What is published of an entry, and how long a feed is left alone."""

from datetime import timedelta
from typing import Any

import orjson
import pytest

from stream_worker.domain.documents import Document, Kind, decode
from stream_worker.ingest.feeds.entries import Entry, Origin, entries_of
from stream_worker.ingest.feeds.polling import pause_seconds
from stream_worker.ingest.feeds.publishing import Revision, as_known, revision_of
from stream_worker.storage.feeds import Published
from tests.feed_server import NOW

EARLIER = NOW - timedelta(hours=2)


def entry(title: str, published: int = 120, updated: int | None = None) -> Entry:
    """Published and updated so many minutes ago."""
    times = {"published": published, "updated": updated}
    parsed = {
        f"{name}_parsed": (NOW - timedelta(minutes=minutes)).timetuple()
        for name, minutes in times.items()
        if minutes is not None
    }
    fields = {"id": "urn:1", "title": title, **parsed}
    (found,), _ = entries_of([fields], None, Origin("wire", Kind.NEWS, None), NOW)
    return found


def story(name: str, published: int) -> dict[str, Any]:
    """What feedparser finds of an entry of a feed that gives all entries the same id."""
    time = (NOW - timedelta(minutes=published)).timetuple()
    return {"id": "urn:site", "link": f"https://example.org/{name}", "title": name, "published_parsed": time}


def polled(known: dict[bytes, Published], *found: dict[str, Any]) -> dict[str, str]:
    """The ids of the documents by their title; what was published is known the next time."""
    entries, _ = entries_of(found, None, Origin("wire", Kind.NEWS, None), NOW)
    settled = as_known(entries, known)
    for each in settled:
        if (revision := revision_of(each, known.get(each.key), NOW)) is not None:
            known[each.key] = revision.published
    return {each.fields["title"]: document(revision_of(each, None, NOW)).document_id for each in settled}


def document(revision: Revision | None) -> Document:
    assert revision is not None
    content = decode(revision.value, NOW)
    assert isinstance(content, Document)
    return content


def first(title: str = "Old words") -> Revision:
    revision = revision_of(entry(title), None, EARLIER)
    assert revision is not None
    return revision


def test_a_new_entry_is_published_under_its_own_times_and_keyed_by_its_id() -> None:
    revision = first()
    assert revision.key == b"urn:1"
    assert orjson.loads(revision.value)["schema"] == "finsentry.document/1"
    assert (document(revision).published_at, document(revision).updated_at) == (EARLIER, None)


def test_an_entry_that_says_the_same_is_not_published_again_whatever_its_times() -> None:
    known = first().published
    assert revision_of(entry("Old words"), known, NOW) is None
    assert revision_of(entry("Old words", published=1, updated=0), known, NOW) is None


def test_a_change_is_a_correction_of_the_same_document_at_the_time_that_the_feed_gives() -> None:
    changed = document(revision_of(entry("New words", updated=30), first().published, NOW))
    assert changed.document_id == document(first()).document_id
    assert (changed.published_at, changed.updated_at) == (EARLIER, NOW - timedelta(minutes=30))


def test_a_change_whose_feed_moves_the_time_of_publication_stays_where_it_was_published() -> None:
    changed = document(revision_of(entry("New words", published=10), first().published, NOW))
    assert (changed.published_at, changed.updated_at) == (EARLIER, NOW - timedelta(minutes=10))


def test_a_change_that_its_feed_does_not_date_is_dated_when_it_was_seen() -> None:
    changed = document(revision_of(entry("New words"), first().published, NOW))
    assert (changed.published_at, changed.updated_at) == (EARLIER, NOW)


@pytest.mark.parametrize("ahead", [-5, 600])
def test_every_change_is_later_than_what_it_corrects(ahead: int) -> None:
    """Also when the same time is given twice, or one that is still to come."""
    known = revision_of(entry("First", updated=-ahead), None, NOW)
    assert known is not None
    second = revision_of(entry("Second", updated=-ahead), known.published, NOW)
    assert second is not None
    third = revision_of(entry("Third", updated=-ahead), second.published, NOW)
    times = [known.published.changed_at, second.published.changed_at, document(third).updated_at]
    assert times == sorted(set(times), key=lambda time: time or NOW)


def test_an_entry_stays_the_same_document_when_others_come_with_its_id_and_when_they_go() -> None:
    known: dict[bytes, Published] = {}
    first, second, third = story("first", 90), story("second", 60), story("third", 30)
    (alone,) = polled(known, first).values()
    both = polled(known, second, first)
    assert both["first"] == alone != both["second"]
    assert polled(known, third, second, first) == both | {"third": polled(known, third, second)["third"]}
    assert polled(known, third) == {"third": polled(known, third, second, first)["third"]}
    assert polled(known, second) == {"second": both["second"]}
    assert len(known) == 3


def test_a_correction_of_an_entry_whose_id_is_shared_by_now_is_one_of_the_same_document() -> None:
    known: dict[bytes, Published] = {}
    first = story("first", 90)
    (alone,) = polled(known, first).values()
    assert polled(known, first | {"title": "corrected"}, story("second", 60))["corrected"] == alone


def test_entries_with_ids_of_their_own_and_one_link_stay_apart_where_the_link_is_known() -> None:
    known: dict[bytes, Published] = {}
    home = {"link": "https://example.org/"}
    polled(known, {name: value for name, value in (story("first", 90) | home).items() if name != "id"})
    others = [story(name, 60) | home | {"id": name} for name in ("second", "third")]
    assert len(set(polled(known, *others).values())) == 2


def test_the_pause_doubles_with_each_failure_up_to_six_hours_and_is_never_shorter_than_asked_for() -> None:
    pauses = [pause_seconds(900, failures, None, 0.5) for failures in range(8)]
    assert pauses == [900, 900, 1800, 3600, 7200, 14400, 21600, 21600]
    assert pause_seconds(900, 1, 7200, 0.5) == 7200
    assert pause_seconds(900, 5, 60, 0.5) == 14400
    assert pause_seconds(86_400, 3, None, 0.5) == 86_400
    assert pause_seconds(900, 10_000, None, 0.5) == 21_600


def test_pauses_are_spread_by_a_tenth() -> None:
    assert (pause_seconds(100, 0, None, 0.0), pause_seconds(100, 0, None, 1.0)) == pytest.approx((90, 110))
