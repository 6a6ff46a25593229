"""Headlines of the project's own, as a lively market would publish them. Pure: the same for a seed and a start.

Stories break, are copied with small changes, corrected, and talked about, now and then by many at once; between them
come comments, market reports, press releases, other languages, markup, repeats, and a few per cent of junk.
"""

import heapq
import random
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b
from itertools import accumulate, count
from typing import Any

from stream_worker.ingest import headlines
from stream_worker.ingest.due import Due
from stream_worker.ingest.junk import KINDS, encode, junk

_WIRES = ("demo-wire", "demo-post", "demo-ticker")
_FORUMS = ("demo-chat", "demo-board")
#: The generator's junk: no megabyte of it for every demonstration.
_JUNK_KINDS = tuple(kind for kind in KINDS if kind != "huge_text")
#: Messages that follow a story's first, in the mean.
_FOLLOWERS = 1.5
_FOLLOWERS_OF_A_BURST = 25.0
_REMEMBERED = 200


@dataclass(frozen=True, slots=True)
class Company:
    """Somebody to write about. `symbol` is what follows the $ of a cashtag."""

    name: str
    symbol: str


@dataclass(frozen=True, slots=True)
class _Story:
    plot: headlines.Plot
    slots: Mapping[str, object]
    started: float


def generate(seed: int, start: datetime, rate: float, companies: Sequence[Company]) -> Iterator[Due]:
    """Messages without end, `rate` a second in the mean; documents are dated just before they are due.

    `start` is in UTC. At least two companies, those first that are talked about most.
    """
    return _Generator(seed, start, companies).messages(rate)


class _Generator:
    def __init__(self, seed: int, start: datetime, companies: Sequence[Company]) -> None:
        self._rng = random.Random(seed)
        self._start = start
        self._companies = companies
        # A few are talked about most, as in every market: by rank, as Zipf found.
        self._popularity = list(accumulate(1 / (rank + 4) for rank in range(len(companies))))
        self._run = blake2b(f"{seed} {start.isoformat()}".encode(), digest_size=5).hexdigest()
        self._numbers = count(1)
        self._waiting: list[tuple[float, int, Callable[[float], bytes]]] = []
        self._recent: deque[bytes] = deque(maxlen=_REMEMBERED)
        self._events: tuple[tuple[float, float, Callable[[float], bytes]], ...] = (
            (0.34, _FOLLOWERS, lambda now: self._break_story(now, _FOLLOWERS, 90.0)),
            (0.02, _FOLLOWERS_OF_A_BURST, lambda now: self._break_story(now, _FOLLOWERS_OF_A_BURST, 20.0)),
            (0.30, 0.0, lambda now: self._comment(self._story(now), now)),
            (0.08, 0.0, self._market_report),
            (0.06, 0.0, self._press_release),
            (0.07, 0.0, self._foreign),
            (0.04, 0.0, self._markup),
            (0.04, 0.0, self._repeat),
            (0.05, 0.0, self._junk),
        )

    def messages(self, rate: float) -> Iterator[Due]:
        weights = [weight for weight, _, _ in self._events]
        per_event = sum(weight * (1 + followers) for weight, followers, _ in self._events) / sum(weights)
        next_event = 0.0
        for number in count(1):
            if self._waiting and self._waiting[0][0] <= next_event:
                now, _, make = heapq.heappop(self._waiting)
            else:
                now = next_event
                make = self._rng.choices(self._events, weights)[0][2]
                next_event += self._rng.expovariate(rate / per_event)
            message = make(now)
            self._recent.append(message)
            yield Due(now, message, f"generated:{number}")

    # What happens

    def _break_story(self, now: float, followers: float, within_seconds: float) -> bytes:
        """A first headline; its copies, its correction and what is said about it wait for their time."""
        story = self._story(now)
        first = self._news_fields(self._headline(story, 0), now)
        for _ in range(round(self._rng.gammavariate(2.0, followers / 2.0))):
            self._later(now + self._rng.expovariate(2.0 / within_seconds), self._follower(story, first))
        return encode(first)

    def _follower(self, story: _Story, first: Mapping[str, Any]) -> Callable[[float], bytes]:
        kind = self._rng.choices(("update", "copy", "correction", "comment", "retweet"), (2, 2, 1, 4, 2))[0]
        if kind == "update":
            return lambda now: self._news(f"UPDATE {self._rng.randrange(1, 4)}-{self._headline(story)}", now)
        if kind == "copy":
            return lambda now: self._news(self._headline(story), now)
        if kind == "correction":
            return lambda now: self._correction(story, first, now)
        if kind == "comment":
            return lambda now: self._comment(story, now)
        return lambda now: self._chat(f"RT @{self._author()}: {first['title']}"[:140], now)

    def _correction(self, story: _Story, first: Mapping[str, Any], now: float) -> bytes:
        corrected = _Story(story.plot, {**story.slots, **self._figures()}, story.started)
        title = f"CORRECTED-{self._headline(corrected, 0)}"
        return encode({**first, "title": title, "updated_at": self._time(now)})

    def _comment(self, story: _Story, now: float) -> bytes:
        return self._chat(self._rng.choice(story.plot.comments).format_map(story.slots), now)

    def _market_report(self, now: float) -> bytes:
        return self._news(self._rng.choice(headlines.MARKET_HEADLINES).format_map(self._slots()), now)

    def _press_release(self, now: float) -> bytes:
        return self._news(self._rng.choice(headlines.PRESS_RELEASES).format_map(self._slots()), now)

    def _foreign(self, now: float) -> bytes:
        language, headline = self._rng.choice(list(headlines.FOREIGN_HEADLINES.items()))
        named = {"lang": language} if self._rng.random() < 0.5 else {}
        return self._news(headline.format_map(self._slots()), now, **named)

    def _markup(self, now: float) -> bytes:
        headline = self._headline(self._story(now))
        return self._news(self._rng.choice(headlines.MARKUP).replace("{headline}", headline), now)

    def _repeat(self, now: float) -> bytes:
        return self._recent[self._rng.randrange(len(self._recent))] if self._recent else self._market_report(now)

    def _junk(self, now: float) -> bytes:
        return junk(self._rng.choice(_JUNK_KINDS), self._news_fields(self._headline(self._story(now)), now), self._rng)

    # What is written

    def _story(self, now: float) -> _Story:
        return _Story(self._rng.choice(headlines.PLOTS), self._slots(), now)

    def _headline(self, story: _Story, which: int | None = None) -> str:
        ways = story.plot.headlines
        return (self._rng.choice(ways) if which is None else ways[which]).format_map(story.slots)

    def _slots(self) -> dict[str, object]:
        company = other = self._popular()
        while other is company:
            other = self._popular()
        return {
            "company": company.name,
            "symbol": company.symbol,
            "other": other.name,
            "area": self._rng.choice(headlines.AREAS),
            "place": self._rng.choice(headlines.PLACES),
            "person": self._rng.choice(headlines.PEOPLE),
            "broker": self._rng.choice(headlines.BROKERS),
            "quarter": self._rng.choice(headlines.QUARTERS),
            **self._figures(),
        }

    def _popular(self) -> Company:
        return self._rng.choices(self._companies, cum_weights=self._popularity)[0]

    def _figures(self) -> dict[str, object]:
        return {
            "percent": self._rng.randrange(2, 25),
            "small": round(self._rng.uniform(0.1, 3.0), 1),
            "amount": round(self._rng.uniform(0.5, 20.0), 1),
            "thousands": self._rng.randrange(1, 13),
            "oil": self._rng.randrange(55, 110),
        }

    def _news(self, title: str, now: float, **more: str) -> bytes:
        return encode({**self._news_fields(title, now), **more})

    def _news_fields(self, title: str, now: float) -> dict[str, Any]:
        number = f"{self._run}-{next(self._numbers)}"
        fields = {
            "source": self._rng.choice(_WIRES),
            "kind": "news",
            "published_at": self._time(now),
            "id": number,
            "url": f"https://example.com/news/{number}",
            "title": title,
        }
        return {**fields, "body": f"{title}, according to a statement."} if self._rng.random() < 0.1 else fields

    def _chat(self, text: str, now: float) -> bytes:
        return encode(
            {
                "source": self._rng.choice(_FORUMS),
                "kind": "comment",
                "published_at": self._time(now),
                "id": f"{self._run}-{next(self._numbers)}",
                "author": self._author(),
                "text": text,
            }
        )

    def _author(self) -> str:
        return f"trader{self._rng.randrange(300)}"

    def _time(self, now: float) -> str:
        """Just before `now`: news travels a moment."""
        time = self._start + timedelta(seconds=now - self._rng.uniform(0.05, 0.8))
        return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def _later(self, when: float, make: Callable[[float], bytes]) -> None:
        heapq.heappush(self._waiting, (when, next(self._numbers), make))
