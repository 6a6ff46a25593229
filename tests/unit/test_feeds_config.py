"""The feeds file."""

from pathlib import Path

import pytest

from stream_worker.errors import ConfigurationError
from stream_worker.ingest.feeds.config import load_feeds

GOOD = """
[[feeds]]
name = "fed-press"
url = "https://feeds.example.org/press.xml"
source = "federal-reserve"
"""


@pytest.fixture
def feeds_file(tmp_path: Path) -> Path:
    return tmp_path / "feeds.toml"


def _refusal(path: Path, content: str) -> str:
    path.write_text(content)
    with pytest.raises(ConfigurationError) as refused:
        load_feeds(path)
    return str(refused.value)


def test_a_feed_needs_a_name_a_url_and_a_source_and_has_defaults_for_the_rest(feeds_file: Path) -> None:
    feeds_file.write_text(GOOD)
    (feed,) = load_feeds(feeds_file)
    assert (feed.name, feed.host, feed.source, feed.kind) == (
        "fed-press",
        "feeds.example.org",
        "federal-reserve",
        "news",
    )
    assert (feed.interval_seconds, feed.lang) == (900, None)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("interval_seconds = 1", "feed 1 (fed-press), interval_seconds: Input should be greater than or equal to 10"),
        ("intervall = 60", "feed 1 (fed-press), intervall: Extra inputs are not permitted"),
        ('kind = "blog"', "feed 1 (fed-press), kind: Input should be 'news' or 'comment'"),
        ('lang = "English!"', "feed 1 (fed-press), lang: String should match pattern"),
    ],
)
def test_what_does_not_hold_is_named_by_file_feed_and_field(feeds_file: Path, line: str, problem: str) -> None:
    refusal = _refusal(feeds_file, GOOD + line)
    assert str(feeds_file) in refusal
    assert problem in refusal


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://example.org/a", "example.org/a", "https://", "gopher://x"]
)
def test_only_http_and_https_are_taken(feeds_file: Path, url: str) -> None:
    refusal = _refusal(feeds_file, GOOD.replace("https://feeds.example.org/press.xml", url))
    assert "feed 1 (fed-press), url: must begin with http:// or https:// and name a host" in refusal


def test_credentials_in_a_url_are_in_no_message_and_no_repr(feeds_file: Path) -> None:
    secret = GOOD.replace("https://", "https://reader:s3cr3t@")
    assert "s3cr3t" not in _refusal(feeds_file, secret + "interval_seconds = 1")
    assert "s3cr3t" not in _refusal(feeds_file, secret.replace("https://", "ftp://"))
    feeds_file.write_text(secret)
    assert "s3cr3t" not in repr(load_feeds(feeds_file))


def test_a_name_or_a_url_that_stands_twice_is_refused(feeds_file: Path) -> None:
    assert "more than one feed with the name fed-press" in _refusal(
        feeds_file, GOOD + GOOD.replace("press.xml", "b.xml")
    )
    assert "url of the feed fed-press more than once" in _refusal(feeds_file, GOOD + GOOD.replace("fed-press", "other"))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("[[feeds", "is not TOML"),
        ("feeds = []", "at least 1 item"),
        ("", "feeds: Field required"),
        ("a = 1", "a: Extra"),
    ],
)
def test_a_file_that_is_no_feeds_file_is_refused_in_one_sentence(feeds_file: Path, content: str, problem: str) -> None:
    assert problem in _refusal(feeds_file, content)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="No such file"):
        load_feeds(tmp_path / "nowhere.toml")
    with pytest.raises(ConfigurationError, match="FINSENTRY_FEEDS"):
        load_feeds(None)


def test_the_example_holds() -> None:
    feeds = load_feeds(Path(__file__).parents[2] / "deploy" / "feeds.example.toml")
    assert len(feeds) >= 8
    assert all(feed.address.scheme == "https" for feed in feeds)
