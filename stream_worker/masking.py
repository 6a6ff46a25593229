"""URLs as they may be shown: without passwords."""

from urllib.parse import parse_qsl, urlencode, urlsplit

MASK = "***"


def masked(url: str) -> str:
    """The URL without its passwords; nothing at all of what is no URL."""
    parts = urlsplit(url)
    if not parts.scheme or not parts.netloc:
        return MASK
    user, at, place = parts.netloc.rpartition("@")
    name, colon, _ = user.partition(":")
    netloc = f"{name}{colon}{MASK if colon else ''}{at}{place}"
    query = [(key, MASK if "password" in key.lower() else item) for key, item in parse_qsl(parts.query)]
    return parts._replace(netloc=netloc, query=urlencode(query, safe="*/:")).geturl()
