"""Reads the live view that the monitor publishes to Redis. Synchronous, for screens."""

from typing import TypeVar

from pydantic import TypeAdapter, ValidationError
from redis import Redis
from redis.exceptions import RedisError

from stream_worker.errors import Unavailable
from stream_worker.storage.live import FEED, board_key, live_key
from stream_worker.storage.views import Board, Feed, LiveState, MarketView

_State = TypeVar("_State")

_FEED = TypeAdapter(Feed)
_BOARD = TypeAdapter(Board)
_LIVE = TypeAdapter(LiveState)

_ANSWER_SECONDS = 2.0


class LiveReader:
    """The live view. Every method raises Unavailable, with a sentence for the screen, while Redis is away."""

    def __init__(self, url: str) -> None:
        self._redis: Redis = Redis.from_url(url, socket_timeout=_ANSWER_SECONDS, socket_connect_timeout=_ANSWER_SECONDS)

    def market(self) -> MarketView:
        """Feed, boards and market, in one round trip."""
        feed, mentioned, negative, market = self._states(
            FEED, board_key("mentioned"), board_key("negative"), live_key("")
        )
        return MarketView(
            _parsed(_FEED, feed), _parsed(_BOARD, mentioned), _parsed(_BOARD, negative), _parsed(_LIVE, market)
        )

    def instrument(self, instrument_id: str) -> LiveState | None:
        """An instrument's live state; None where nothing is published of it."""
        (state,) = self._states(live_key(instrument_id))
        return _parsed(_LIVE, state)

    def _states(self, *keys: str) -> list[bytes | None]:
        try:
            with self._redis.pipeline(transaction=False) as pipe:
                for key in keys:
                    pipe.hget(key, "state")
                states: list[bytes | None] = pipe.execute()
                return states
        except (RedisError, OSError) as error:
            raise Unavailable("The live view (Redis) does not answer; this page goes on trying.") from error


def _parsed(adapter: TypeAdapter[_State], state: bytes | None) -> _State | None:
    if state is None:
        return None
    try:
        return adapter.validate_json(state)
    except ValidationError as error:
        raise Unavailable(
            "The live view was published by another version of finsentry; this page goes on trying."
        ) from error
