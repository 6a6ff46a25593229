"""API keys. The gateway knows only their SHA-256: a secret of 256 random bits needs no slow hash.

A file of keys has a line for each: name, scopes with commas between them, and digest, with white space between the
three; `#` begins a comment.

    wire   documents:write   sha256:5b0c…
"""

import hmac
import re
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from pathlib import Path

from stream_worker.errors import ConfigurationError

_PREFIX = "fsk_"
_SECRET_BYTES = 32
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")


class Scope(StrEnum):
    """What a key allows."""

    WRITE = "documents:write"
    BACKFILL = "documents:backfill"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key without its secret."""

    name: str
    scopes: frozenset[Scope]
    digest: bytes

    @property
    def line(self) -> str:
        """Its line in a file of keys."""
        return f"{self.name}  {','.join(sorted(self.scopes))}  sha256:{self.digest.hex()}"


def new_key(name: str, scopes: Iterable[Scope]) -> tuple[str, ApiKey]:
    """A fresh secret, and what is kept of it. Raises ConfigurationError where the name does not fit into a file."""
    if not _NAME.fullmatch(name):
        raise ConfigurationError(f"{name!r} is no name for a key: up to 64 letters, digits, dots, dashes, underscores.")
    secret = _PREFIX + secrets.token_urlsafe(_SECRET_BYTES)
    return secret, ApiKey(name, frozenset(scopes), sha256(secret.encode()).digest())


def read_keys(path: Path) -> tuple[ApiKey, ...]:
    """The keys of a file. Raises ConfigurationError naming the line that does not hold."""
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"Cannot read the API keys in {path}: {error}.") from None
    keys: list[ApiKey] = []
    for number, line in enumerate(lines, 1):
        parts = line.partition("#")[0].split()
        if parts:
            keys.append(_key(parts, f"{path}, line {number}"))
    if len({key.name for key in keys}) < len(keys):
        raise ConfigurationError(f"Two API keys in {path} have the same name: give each its own.")
    return tuple(keys)


def key_of_secret(keys: Sequence[ApiKey], secret: str) -> ApiKey | None:
    """The key with this secret, after the same work whether and wherever it is among them."""
    digest = sha256(secret.encode()).digest()
    found = None
    for key in keys:
        if hmac.compare_digest(key.digest, digest):
            found = key
    return found


def _key(parts: Sequence[str], place: str) -> ApiKey:
    if len(parts) != 3 or not _NAME.fullmatch(parts[0]) or not (digest := _DIGEST.fullmatch(parts[2])):
        raise ConfigurationError(
            f"{place} is no API key: it takes a name, scopes and sha256:…, as `finsentry gateway-key` prints them."
        )
    try:
        scopes = frozenset(Scope(scope) for scope in parts[1].split(","))
    except ValueError:
        raise ConfigurationError(f"{place}: {parts[1]} names a scope that is not one of {', '.join(Scope)}.") from None
    return ApiKey(parts[0], scopes, bytes.fromhex(digest[1]))
