"""What the words around a name say about it: whether it stands alone, counts money, or is spoken of as on a market."""

import re

from stream_worker.domain.mentions import Span

_ADDRESS = re.compile(r"(?:https?://|www\.)\S+")
_NUMBER_BEFORE = re.compile(r"\d\s?$")
_NUMBER_AFTER = re.compile(r"\s?\d")
_RETWEETED = re.compile(r"\bRT @$")

_TOLD_BY = re.compile(r"\b[Vv]ia\s$")

#: Headlines of sport: what countries do there is no matter of markets.
_SPORT = re.compile(
    r"(?:[A-Z]{2,12}(?: \d{1,3})?-){0,3}(?:SOCCER|TENNIS|OLYMPICS?|PARALYMPICS|CRICKET|GOLF|RUGBY|CYCLING|ATHLETICS"
    r"|BASKETBALL|BASEBALL|BOXING|MOTOR RACING|FORMULA ONE|SWIMMING|SAILING|HOCKEY|ICE HOCKEY|SKIING|ALPINE SKIING"
    r"|FOOTBALL|VOLLEYBALL|HANDBALL|NBA|NFL|NHL|MLB|UFC|MLS|EPL)\b"
)
#: The slug in front of a headline, "CANADA STOCKS-", "US GRAINS-": its words are a heading.
_SLUG = re.compile(r"[A-Z][A-Z0-9.&/' ]{1,40}-")

_MARKET_AFTER = re.compile(
    r"""(?:'s|’s)?[\s,]+(?:
        shares?|stocks?|shareholders?|investors?|profits?|earnings|results|revenues?|sales|dividend|bonds?|notes?|debt
      | q[1-4]|[1-4]q|first|second|third|fourth|quarterly|full-year|fy|net|eps|ipo|ceo|cfo|chairman|chief|board|bid
      | merger|buyout|takeover|stake|unit|analyst|target|price|guidance|outlook|forecast|inc|corp|co|company|plc|ltd
      | to\s+[a-z]+|buys?|sells?|cuts|posts|reports|raises|lowers|sees|says|names|reaffirms|acquires|invests|launches
      | agrees|expects|beats|misses|gains|falls|rises|jumps|drops|slumps|soars|surges|plunges|closes|wins|unveils|files
      | hires|expands|recalls|settles|sues|signs|appoints|announces|renews|completes|receives|provides|introduces
      | selects|declares|prices|upgraded|downgraded|rated|hits|up|down|higher|lower
    )\b""",
    re.IGNORECASE | re.VERBOSE,
)
_MARKET_BEFORE = re.compile(
    r"""\b(?:shares?\s+(?:of|in)|stakes?\s+in|stock\s+of|investors?\s+in|bid\s+for|takeover\s+of|merger\s+with|deal\s+with
      | sues?|upgrades?|downgrades?|initiates?|acquires?|buys?|owns?|long|short|retailer|automaker|carmaker|airline|bank
      | insurer|maker|giant|rival|unit\s+of|parent\s+of|hold(?:s|ing)?|bullish\s+on|bearish\s+on)\s$""",
    re.IGNORECASE | re.VERBOSE,
)


def addresses(text: str) -> list[Span]:
    """The web addresses in a text, in order."""
    if "://" not in text and "www." not in text:
        return []
    return [Span(*found.span()) for found in _ADDRESS.finditer(text)]


def stands_alone(text: str, start: int, end: int) -> bool:
    """Whether the words are neither part of a longer word or name ("S&P"), nor of an address, nor a cashtag; an
    account's whole name stands alone, but not in front of what it said."""
    if start and text[start].isalnum():
        before = text[start - 1]
        if before.isalnum() or before in "_&$" or (before == "." and start > 1 and text[start - 2].isalnum()):
            return False
        if before == "@" and ((start > 1 and not text[start - 2].isspace()) or _RETWEETED.search(text, 0, start)):
            return False
    if end < len(text) and (text[end - 1].isalnum() or text[end - 1] == "$"):
        after = text[end]
        if after.isalnum() or after in "_&$":
            return False
        if after in ".@" and text[end + 1 : end + 2].isalnum():
            return False
    return True


def is_amount(text: str, start: int, end: int) -> bool:
    """Whether a currency's name counts money: "100 yen", "C$1 bln"; not a pair's with its price, "EUR/USD 1.12"."""
    if "/" in text[start:end]:
        return False
    return bool(_NUMBER_BEFORE.search(text, max(start - 2, 0), start) or _NUMBER_AFTER.match(text, end))


def is_source(text: str, start: int) -> bool:
    """Whether a name says who told it: "via Bloomberg"."""
    return bool(_TOLD_BY.search(text, max(start - 5, 0), start))


def is_of_markets(text: str, start: int, end: int) -> bool:
    """Whether the words next to a name are such as stand beside a company's: "Gap shares", "Target raises"."""
    return bool(_MARKET_AFTER.match(text, end) or _MARKET_BEFORE.search(text, max(start - 24, 0), start))


def is_sport(text: str) -> bool:
    """Whether it is a headline of sport."""
    return _SPORT.match(text) is not None


def is_where(text: str, start: int) -> bool:
    """Whether a name says where something takes place: "in Pakistan"."""
    return text[max(start - 3, 0) : start].lower() == "in "


def is_title_case(text: str) -> bool:
    """Whether most Words Begin With a Capital, so that capitals tell nothing."""
    words = [word for word in text.split() if word[0].isalpha() and len(word) > 3 and "://" not in word]
    return len(words) > 2 and sum(word[0].isupper() for word in words) > 0.7 * len(words)


def slug_end(text: str) -> int:
    """Where the heading in front of a headline ends; 0 where there is none."""
    found = _SLUG.match(text)
    return found.end() if found else 0
