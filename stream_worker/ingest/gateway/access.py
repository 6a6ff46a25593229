"""Who may post: the holder of a key with the scope, or, where no keys are configured, a program of this machine."""

import ipaddress
from collections.abc import Mapping, Sequence

from starlette.exceptions import HTTPException

from stream_worker.errors import ConfigurationError
from stream_worker.ingest.gateway.keys import ApiKey, Scope, key_of_secret

#: What a caller is called where there are no keys.
ANYBODY = ""


def require_loopback_or_keys(address: str, keys: Sequence[ApiKey]) -> None:
    """Raises ConfigurationError for a gateway that would be open to other machines without asking for keys."""
    if not keys and not is_loopback(address):
        raise ConfigurationError(
            f"Without API keys the gateway listens on 127.0.0.1 only, not on {address}: make one with "
            "`finsentry gateway-key` and set FINSENTRY_GATEWAY_KEYS to the file with its line."
        )


def is_loopback(host: str) -> bool:
    """Whether a host name or address can only be this machine."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


class Access:
    """Decides about callers by the headers of their requests."""

    def __init__(self, keys: Sequence[ApiKey]) -> None:
        self._keys = keys

    def caller(self, headers: Mapping[str, str], scope: Scope) -> str:
        """The name of the caller's key, ANYBODY where there are none. Raises HTTPException 401, 403 or 421.

        Without keys, only a host name of this machine is answered: a page in somebody's browser may make its own name
        point to 127.0.0.1 (DNS rebinding), but cannot change the name under which it asks.
        """
        if not self._keys:
            if not is_loopback(_host_name(headers.get("host", ""))):
                raise HTTPException(421, "Without API keys only http://127.0.0.1 and http://localhost are answered.")
            return ANYBODY
        scheme, _, secret = headers.get("authorization", "").partition(" ")
        key = key_of_secret(self._keys, secret.strip()) if scheme.lower() == "bearer" else None
        if key is None:
            raise HTTPException(
                401, "Send an API key that is known here: Authorization: Bearer KEY.", {"WWW-Authenticate": "Bearer"}
            )
        if scope not in key.scopes:
            challenge = f'Bearer error="insufficient_scope", scope="{scope}"'
            raise HTTPException(403, f"This key lacks the scope {scope}.", {"WWW-Authenticate": challenge})
        return key.name


def _host_name(host: str) -> str:
    """Without the port; an IPv6 address keeps its brackets."""
    if host.startswith("["):
        return host[: host.find("]") + 1]
    return host.partition(":")[0]
