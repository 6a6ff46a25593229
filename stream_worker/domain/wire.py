"""The wire schemas: what stands on our topics, as JSON Schema files in `schemas/`, one file a major version.

A schema's id is `finsentry.<name>/<major>`. Within a major version fields are only added; readers ignore what they do
not know.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal

import orjson
from jsonschema_rs import ValidationError, validator_for

Name = Literal["document", "score", "retraction", "dead-letter"]


@dataclass(frozen=True, slots=True)
class Problem:
    """Where a value leaves its schema: the field (None for the value as a whole), JSON Schema's keyword, what stands
    there and, of a limit, how much is allowed."""

    field: str | None
    keyword: str
    value: Any
    limit: int | None = None


class WireSchema:
    """One schema; `definition` is its file's content. Checking a value costs about a microsecond."""

    def __init__(self, definition: dict[str, Any]) -> None:
        self.id: str = definition["$id"]
        self.definition = definition
        self._validator = validator_for(definition)

    def is_valid(self, value: Any) -> bool:
        """Whether a decoded JSON value follows the schema."""
        return self._validator.is_valid(value)

    def encode(self, fields: Mapping[str, Any]) -> bytes:
        """The message of those fields, with the schema's id in front. Raises ValueError where it would break the
        promise that the schema is to its readers."""
        message = orjson.dumps({"schema": self.id, **fields})
        value = orjson.loads(message)
        if not self.is_valid(value):
            raise ValueError(f"a message does not follow {self.id}: {[*self.problems(value)]}")
        return message

    def problems(self, value: Any) -> Iterator[Problem]:
        """Everything that does not hold, in the schema's order."""
        return map(_problem, self._validator.iter_errors(value))


@cache
def wire_schema(name: Name, major: int = 1) -> WireSchema:
    """The schema of that name."""
    return WireSchema(_read(name, major))


@cache
def text_schema() -> WireSchema:
    """The part of a document that holds its texts, for what is no document otherwise (`finsentry score`)."""
    document = _read("document", 1)
    return WireSchema(
        {"$id": document["$id"], "type": "object", "$ref": "#/$defs/texts", "$defs": document["$defs"]},
    )


def _read(name: Name, major: int) -> dict[str, Any]:
    schema: dict[str, Any] = orjson.loads((files(__package__) / "schemas" / f"{name}-{major}.json").read_bytes())
    return schema


def _problem(error: ValidationError) -> Problem:
    kind = error.kind
    path = error.instance_path
    field = getattr(kind, "property", None) or (str(path[0]) if path else None)
    return Problem(field, kind.name, error.instance, getattr(kind, "limit", None))
