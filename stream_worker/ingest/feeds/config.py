"""The feeds file: TOML, a table `[[feeds]]` for each feed."""

import tomllib
from collections import Counter
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator
from yarl import URL

from stream_worker.domain.documents import Kind
from stream_worker.errors import ConfigurationError
from stream_worker.ingest.feeds.addresses import SCHEMES


class Feed(BaseModel):
    """One feed. `name` is what state, logs and metrics call it; `url` is secret because it may carry credentials."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
    url: SecretStr
    source: Annotated[str, Field(min_length=1, max_length=200)]
    kind: Kind = Kind.NEWS
    interval_seconds: Annotated[float, Field(ge=10, le=7 * 24 * 3600)] = 900.0
    lang: Annotated[str, Field(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*$")] | None = None

    @field_validator("url")
    @classmethod
    def _is_fetchable(cls, value: SecretStr) -> SecretStr:
        """Refused here with a sentence that does not repeat the address."""
        try:
            url = URL(value.get_secret_value())
        except ValueError:
            raise ValueError("is not a URL") from None
        if url.scheme not in SCHEMES or not url.host:
            raise ValueError("must begin with http:// or https:// and name a host")
        return value

    @property
    def address(self) -> URL:
        """The URL, credentials included."""
        return URL(self.url.get_secret_value())

    @property
    def host(self) -> str:
        """The host that politeness is owed to."""
        return self.address.host or ""


class _FeedsFile(BaseModel):
    model_config = ConfigDict(extra="forbid")

    feeds: Annotated[list[Feed], Field(min_length=1)]


def load_feeds(path: Path | None) -> tuple[Feed, ...]:
    """The feeds of the file. Raises ConfigurationError naming the file, the feed and the field that does not hold."""
    if path is None:
        raise ConfigurationError("There are no feeds to poll: set FINSENTRY_FEEDS to a feeds file.")
    try:
        content = tomllib.loads(path.read_text())
    except OSError as error:
        raise ConfigurationError(f"Cannot read the feeds file {path}: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"The feeds file {path} is not TOML: {error}.") from None
    try:
        feeds = _FeedsFile.model_validate(content).feeds
    except ValidationError as error:
        problems = "; ".join(_problem(content, problem["loc"], problem["msg"]) for problem in error.errors())
        raise ConfigurationError(f"The feeds file {path} does not hold: {problems}.") from None
    _refuse_doubles(path, feeds)
    return tuple(feeds)


def _problem(content: dict[str, object], place: tuple[int | str, ...], message: str) -> str:
    """Where it is and what it is: "feed 2 (fed-press), interval_seconds: Input should be …"."""
    words = [str(part) for part in place]
    if len(place) > 1 and isinstance(place[1], int):
        listed = content["feeds"]
        table = listed[place[1]] if isinstance(listed, list) else None
        name = f" ({table['name']})" if isinstance(table, dict) and isinstance(table.get("name"), str) else ""
        words = [f"feed {place[1] + 1}{name}", *words[2:]]
    return f"{', '.join(words)}: {message.removeprefix('Value error, ')}"


def _refuse_doubles(path: Path, feeds: list[Feed]) -> None:
    names = Counter(feed.name for feed in feeds)
    urls = Counter(feed.address for feed in feeds)
    for feed in feeds:
        if names[feed.name] > 1:
            raise ConfigurationError(f"The feeds file {path} has more than one feed with the name {feed.name}.")
        if urls[feed.address] > 1:
            raise ConfigurationError(f"The feeds file {path} has the url of the feed {feed.name} more than once.")
