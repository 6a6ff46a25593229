"""A feed's bytes as entries, and all that is wrong with other people's XML."""

import resource
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_worker.domain.documents import Document, Kind, decode
from stream_worker.errors import FeedProblem
from stream_worker.ingest.feeds.entries import REPEATED, Entry, Origin
from stream_worker.ingest.feeds.problems import Reason
from stream_worker.ingest.feeds.reading import Reader, Reading, ReadingLimits, read
from tests.feed_server import NOW, item, rss

ORIGIN = Origin("wire", Kind.NEWS, None)
URL = "https://example.org/feeds/all.xml"

LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
BILLION_LAUGHS = f'<?xml version="1.0"?><!DOCTYPE rss [<!ENTITY l0 "lol">{LAUGHS}]><rss version="2.0">&l9;</rss>'
QUADRATIC = (
    f'<!DOCTYPE rss [<!ENTITY a "{"a" * 100_000}">]><rss version="2.0"><channel>{"&a;" * 50_000}</channel></rss>'
)
FILE = '<!DOCTYPE rss [<!ENTITY x SYSTEM "file:///etc/passwd">]><rss version="2.0"><channel>&x;</channel></rss>'
PARAMETER = '<!DOCTYPE rss [<!ENTITY % x SYSTEM "http://127.0.0.1/x.dtd"> %x;]><rss version="2.0"/>'
UNPARSED = '<!DOCTYPE rss [<!NOTATION n SYSTEM "n"><!ENTITY x SYSTEM "x.gif" NDATA n>]><rss version="2.0"/>'


def reading(body: bytes | str, charset: str | None = None, origin: Origin = ORIGIN) -> Reading:
    return read(body.encode() if isinstance(body, str) else body, charset, URL, origin, NOW, 10_000)


def problem(body: bytes | str, charset: str | None = None) -> FeedProblem:
    with pytest.raises(FeedProblem) as raised:
        reading(body, charset)
    return raised.value


def document(entry: Entry) -> Document:
    """What a worker makes of it."""
    times = {"published_at": entry.published_at, "updated_at": entry.updated_at}
    content = decode(orjson.dumps({**entry.fields, **times}), NOW)
    assert isinstance(content, Document)
    return content


def atom(*entries: str) -> str:
    return f'<feed xmlns="http://www.w3.org/2005/Atom" xml:lang="de">{"".join(entries)}</feed>'


def test_an_rss_item_becomes_a_document() -> None:
    (entry,) = reading(rss(item(1, author="ann@example.org (Ann)"))).entries
    assert entry.fields == {
        "source": "wire",
        "kind": "news",
        "id": "urn:1",
        "url": "https://example.org/1",
        "title": "Apple raises its outlook 1",
        "body": "<p>Story 1</p>",
        "body_type": "html",
        "author": "Ann",
    }
    assert (entry.published_at, entry.updated_at) == (NOW - timedelta(minutes=1), None)
    assert document(entry).source_id == "urn:1"


def test_an_atom_entry_becomes_a_document() -> None:
    entry = """<entry><id>tag:1</id><title>Nokia cuts</title><link href="/n/1"/><author><name>Bo</name></author>
        <published>2026-01-02T03:04:05+01:00</published><updated>2026-01-02T05:00:00Z</updated>
        <summary>short</summary><content type="html">&lt;b&gt;long&lt;/b&gt;</content></entry>"""
    (found,) = reading(atom(entry)).entries
    assert found.fields["url"] == "https://example.org/n/1"
    assert (found.fields["body"], found.fields["body_type"]) == ("<b>long</b>", "html")
    assert (found.fields["author"], found.fields["lang"]) == ("Bo", "de")
    assert found.published_at == datetime(2026, 1, 2, 2, 4, 5, tzinfo=UTC)
    assert found.updated_at == datetime(2026, 1, 2, 5, tzinfo=UTC)


def test_the_feeds_file_knows_the_language_better_than_the_feed() -> None:
    entry = "<entry><id>1</id><title>t</title><updated>2026-01-02T05:00:00Z</updated></entry>"
    (found,) = reading(atom(entry), origin=Origin("wire", Kind.COMMENT, "en")).entries
    assert (found.fields["lang"], found.fields["kind"]) == ("en", "comment")


def test_an_entry_that_only_says_when_it_was_updated_was_published_then() -> None:
    entry = "<entry><id>1</id><title>t</title><updated>2026-01-02T05:00:00Z</updated></entry>"
    (found,) = reading(atom(entry)).entries
    assert (found.published_at, found.updated_at) == (datetime(2026, 1, 2, 5, tzinfo=UTC), None)
    rdf = """<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/"
        xmlns:dc="http://purl.org/dc/elements/1.1/"><item rdf:about="https://example.org/1"><title>t</title>
        <dc:date>2026-01-02T05:00:00Z</dc:date></item></rdf:RDF>"""
    (found,) = reading(rdf).entries
    assert (found.published_at, found.fields["id"]) == (datetime(2026, 1, 2, 5, tzinfo=UTC), "https://example.org/1")


def test_a_title_in_html_is_reduced_to_its_text_and_a_plain_one_is_left_as_it_is() -> None:
    titles = ["AT&amp;T <b>soars</b>\n again", "P/E < 10 and > 5", "R&D"]
    found = reading(rss(*(item(number, title) for number, title in enumerate(titles)))).entries
    assert [entry.fields["title"] for entry in reversed(found)] == ["AT&T soars again 0", "P/E < 10 and > 5 1", "R&D 2"]
    entry = "<entry><id>1</id><title type='html'>A &amp;lt;b&amp;gt; c</title><updated>2026-01-02</updated></entry>"
    assert reading(atom(entry)).entries[0].fields["title"] == "A <b> c"


def test_a_body_in_html_comes_out_as_its_text_and_only_a_change_of_the_text_is_a_change() -> None:
    def described(html: str) -> Entry:
        return reading(rss(item(1, description=html))).entries[0]

    plain, tracked, reworded = map(
        described, ("<p>Up 3%</p>", "<p class='x'>Up <img src='t?id=7'>3%</p>", "<p>Up 4%</p>")
    )
    assert document(plain).body == "Up 3%"
    assert plain.text_digest == tracked.text_digest != reworded.text_digest


def test_a_body_that_repeats_the_title_is_left_out() -> None:
    (entry,) = reading(rss(item(1, description="Apple raises its outlook 1"))).entries
    assert "body" not in entry.fields


def test_entries_come_oldest_first() -> None:
    entries = reading(rss(item(1), item(2), item(3))).entries
    assert [entry.fields["id"] for entry in entries] == ["urn:3", "urn:2", "urn:1"]
    when = format_datetime(NOW)
    same = reading(rss(item(1, pubDate=when), item(2, pubDate=when))).entries
    assert [entry.fields["id"] for entry in same] == ["urn:2", "urn:1"]


def test_an_entry_without_a_guid_is_known_by_its_link_and_without_both_by_its_words() -> None:
    by_link, reworded = (reading(rss(item(1, t, guid=""))).entries[0] for t in ("One", "Two"))
    assert by_link.key == reworded.key
    assert by_link.text_digest != reworded.text_digest
    words, others = (reading(rss(item(1, t, guid="", link=""))).entries[0] for t in ("One", "Two"))
    assert words.key != others.key
    assert "id" not in words.fields
    assert "url" not in words.fields


@pytest.mark.parametrize(
    ("tags", "reason"),
    [
        ({"pubDate": ""}, "missing_field"),
        ({"pubDate": "a while ago"}, "bad_time"),
        ({"pubDate": "Thu, 01 Jan 1970 00:00:00 GMT"}, "time_out_of_range"),
        ({"title": "", "description": ""}, "no_text"),
        ({"title": "x" * 3_000}, "too_long"),
        ({"guid": "x" * 3_000}, "too_long"),
    ],
)
def test_an_entry_that_cannot_be_a_document_is_skipped_with_the_reason_that_a_dead_letter_would_have(
    tags: dict[str, str], reason: str
) -> None:
    found = reading(rss(item(1, **tags), item(2)))
    assert [entry.fields["id"] for entry in found.entries] == ["urn:2"]
    (skipped,) = found.skipped
    assert (skipped.reason, skipped.early) == (reason, False)
    assert skipped.entry


def test_an_entry_of_tomorrow_is_taken_and_one_of_next_week_is_early() -> None:
    tomorrow, next_week = (format_datetime(NOW + timedelta(hours=hours)) for hours in (20, 7 * 24))
    found = reading(rss(item(1, pubDate=tomorrow), item(2, pubDate=next_week)))
    assert [entry.fields["id"] for entry in found.entries] == ["urn:1"]
    assert [(skipped.reason, skipped.early) for skipped in found.skipped] == [("time_out_of_range", True)]


def test_of_an_entry_that_stands_in_the_feed_twice_the_newest_counts() -> None:
    same = {"guid": "urn:same", "link": "https://example.org/same"}
    found = reading(rss(item(5, "old", **same), item(1, "new", **same), item(3, "older", **same)))
    assert [entry.fields["title"] for entry in found.entries] == ["new 1"]
    assert [skipped.reason for skipped in found.skipped] == [REPEATED, REPEATED]


def test_entries_with_the_same_guid_and_different_links_are_different_entries() -> None:
    found = reading(rss(item(1, guid="urn:site"), item(2, guid="urn:site")))
    assert len({entry.key for entry in found.entries}) == 2
    assert [entry.fields["url"] for entry in found.entries] == ["https://example.org/2", "https://example.org/1"]
    assert not any("id" in entry.fields for entry in found.entries)
    assert not found.skipped


@pytest.mark.parametrize(
    "bomb", [BILLION_LAUGHS, QUADRATIC, FILE, PARAMETER, UNPARSED], ids=["laughs", "quadratic", "file", "dtd", "ndata"]
)
def test_a_document_that_declares_entities_is_refused_before_it_is_parsed(bomb: str) -> None:
    began = time.process_time()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert problem(bomb).reason == Reason.ENTITIES
    assert time.process_time() - began < 1.0
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory < 50_000  # KiB


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "utf-7", "iso-2022-jp"])
def test_no_encoding_hides_a_bomb(encoding: str) -> None:
    assert problem(BILLION_LAUGHS.encode(encoding), encoding).reason == Reason.ENTITIES


def test_the_doctype_of_rss_0_91_is_no_bomb() -> None:
    doctype = '<!DOCTYPE rss PUBLIC "-//Netscape Communications//DTD RSS 0.91//EN" "http://example.org/rss-0.91.dtd">'
    assert len(reading(rss(item(1)).replace(b"<rss", doctype.encode() + b"<rss")).entries) == 1


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("", Reason.NOT_XML),
        ("not a feed", Reason.NOT_XML),
        ('{"version": "https://jsonfeed.org/version/1.1"}', Reason.NOT_XML),
        ("<!doctype html><html><body>down for maintenance</body></html>", Reason.NOT_XML),
        ("<!DOCTYPE html><html><body><p>down</p></body></html>", Reason.NOT_A_FEED),
        ("<html><body><br>down</body></html>", Reason.NOT_A_FEED),
        ("<opml version='2.0'><body/></opml>", Reason.NOT_A_FEED),
        ("<?xml version='1.0'?>", Reason.NOT_XML),
    ],
)
def test_what_is_no_feed_is_a_problem_and_not_an_empty_feed(body: str, reason: Reason) -> None:
    assert problem(body).reason == reason


def test_a_feed_without_entries_is_an_empty_feed() -> None:
    assert reading(rss()) == Reading((), (), None)


@pytest.mark.parametrize("cut", [0.3, 0.6, 0.95])
def test_a_document_without_its_end_is_a_problem_and_not_half_of_its_entries(cut: float) -> None:
    whole = rss(*(item(number) for number in range(20)))
    assert problem(whole[: int(len(whole) * cut)]).reason == Reason.TRUNCATED


def test_malformed_xml_is_read_as_far_as_it_can_be_and_told() -> None:
    found = reading(rss(item(1), item(2)).replace(b"Apple", b"AT&T & Apple &nbsp;", 1))
    assert len(found.entries) == 2
    assert found.malformed
    assert reading(b"\n\n  " + rss(item(1))).malformed is None


@pytest.mark.parametrize(
    ("encoding", "declared", "charset"),
    [
        ("utf-8", None, "iso-8859-1"),
        ("utf-8", "iso-8859-1", None),
        ("utf-8", None, "us-ascii"),
        ("utf-8", None, "no-such-charset"),
        ("utf-8-sig", None, "iso-8859-1"),
        ("utf-16", "utf-16", None),
        ("iso-8859-1", None, "iso-8859-1"),
        ("iso-8859-1", "iso-8859-1", None),
        ("windows-1252", None, None),
        ("windows-1252", "utf-8", "utf-8"),
        ("gb2312", None, "gb2312"),
    ],
)
def test_the_words_come_out_right_whatever_the_server_says_about_them(
    encoding: str, declared: str | None, charset: str | None
) -> None:
    title = "\u4e2d\u56fd\u592e\u884c\u964d\u606f" if encoding == "gb2312" else "Société Générale relève ses prévisions"
    declaration = f'<?xml version="1.0" encoding="{declared}"?>' if declared else ""
    text = declaration + rss(item(1, title)).decode().split("?>", 1)[1]
    (entry,) = reading(text.encode(encoding), charset).entries
    assert entry.fields["title"] == f"{title} 1"


def test_ten_thousand_entries_are_read_and_one_more_is_too_many() -> None:
    items = "".join(
        f"<item><guid>{n}</guid><title>t</title><pubDate>2026-01-01</pubDate></item>" for n in range(10_001)
    )
    began = time.process_time()
    assert len(reading(rss(items.removesuffix(items[items.rfind("<item>") :]))).entries) == 10_000
    assert time.process_time() - began < 15
    assert problem(rss(items)).reason == Reason.TOO_MANY_ENTRIES


@given(
    edits=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 40), st.binary(max_size=12)), max_size=5),
    charset=st.sampled_from([None, "utf-8", "iso-8859-1", "utf-7", "utf-16", "punycode", "rot13", "a\0b", "\udcff"]),
)
def test_whatever_is_in_a_document_it_is_entries_or_a_problem(
    edits: list[tuple[int, int, bytes]], charset: str | None
) -> None:
    body = rss(item(1), item(2, author="ann@example.org (Ann)"))
    for start, length, inserted in edits:
        body = body[:start] + inserted + body[start + length :]
    with suppress(FeedProblem):
        assert all(document(entry) for entry in reading(body, charset).entries)


@pytest.mark.parametrize(
    ("limits", "content"),
    [
        (ReadingLimits(10_000, seconds=2.0), b"<a>" * 1_000_000),
        (ReadingLimits(10_000, memory_bytes=400 << 20), b"a" * 150_000_000),
    ],
    ids=["time", "memory"],
)
async def test_a_document_that_takes_too_much_costs_only_its_own_process(limits: ReadingLimits, content: bytes) -> None:
    reader = Reader(limits)
    with pytest.raises(FeedProblem) as raised:
        await reader.read(b'<rss version="2.0">' + content, None, URL, ORIGIN, NOW)
    assert raised.value.reason == Reason.TOO_COSTLY
    assert len((await reader.read(rss(item(1)), None, URL, ORIGIN, NOW)).entries) == 1
