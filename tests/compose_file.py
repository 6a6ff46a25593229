"""docker-compose.yml and deploy/Dockerfile as data, without an engine."""

import io
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml
from dockerfile_parse import DockerfileParser

ROOT = Path(__file__).parent.parent
#: Where finsentry lies in the images.
SITE_PACKAGES = "/opt/finsentry/lib/python3.11/site-packages/"
COMPOSE, DOCKERFILE, EXAMPLE, IGNORED = "docker-compose.yml", "deploy/Dockerfile", ".env.example", ".dockerignore"

#: $$, or ${NAME}, ${NAME:-default}, ${NAME:?refusal}.
_VARIABLE = re.compile(r"\$(?:(?P<dollar>\$)|\{(?P<name>\w+)(?::(?P<kind>[-?])(?P<word>[^}]*))?\})")
#: VARIABLE=value, also where it is commented out as an option.
_EXAMPLE = re.compile(r"^#?([A-Z][A-Z_]+)=(.*)$", re.MULTILINE)


class Refused(Exception):
    """What Compose says of a variable that must be set."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage of the Dockerfile: its instructions in order, with the word that begins each in capitals."""

    name: str
    base: str
    instructions: tuple[tuple[str, str], ...]

    def values(self, instruction: str) -> list[str]:
        """Of every instruction of that name."""
        return [value for name, value in self.instructions if name == instruction]


@dataclass(frozen=True)
class DeploymentFiles:
    """The texts of the four files."""

    texts: Mapping[str, str]

    @classmethod
    def read(cls) -> "DeploymentFiles":
        """As they stand in the repository."""
        return cls({name: (ROOT / name).read_text() for name in (COMPOSE, DOCKERFILE, EXAMPLE, IGNORED)})

    def compose(self, **variables: str) -> dict[str, Any]:
        """The compose file with its variables filled in. Raises Refused."""
        filled: dict[str, Any] = yaml.safe_load(_VARIABLE.sub(lambda found: _value(found, variables), self._compose))
        return filled

    @cached_property
    def services(self) -> Mapping[str, dict[str, Any]]:
        """By name, with stand-ins for the passwords."""
        services: dict[str, dict[str, Any]] = self.compose(POSTGRES_PASSWORD="one", REDIS_PASSWORD="two")["services"]
        return services

    @property
    def ours(self) -> list[str]:
        """The services whose image runs our own code."""
        targets = {name: service.get("build", {}).get("target") for name, service in self.services.items()}
        return [name for name, target in targets.items() if target in ("service", "dashboard", "plans")]

    @cached_property
    def variables(self) -> Mapping[str, str | None]:
        """What is read from .env by `${…}`: name → default, None where there must be a value."""
        found = [match for match in _VARIABLE.finditer(self._compose) if match["name"]]
        return {match["name"]: match["word"] if match["kind"] == "-" else None for match in found}

    @cached_property
    def examples(self) -> Mapping[str, str]:
        """The variables of .env.example, the commented ones too."""
        return dict(_EXAMPLE.findall(self.texts[EXAMPLE]))

    @cached_property
    def stages(self) -> Mapping[str, Stage]:
        """Of the Dockerfile, by name."""
        parser = DockerfileParser(fileobj=io.BytesIO(self.texts[DOCKERFILE].encode()))
        stages: dict[str, Stage] = {}
        name = base = ""
        instructions: list[tuple[str, str]] = []
        for step in parser.structure:
            if step["instruction"] == "FROM":
                base, _, name = re.split(r"\s+(AS)\s+", step["value"])
                instructions = []
            elif step["instruction"] != "COMMENT":
                instructions.append((step["instruction"], step["value"]))
            if name:
                stages[name] = Stage(name, base, tuple(instructions))
        return stages

    @property
    def _compose(self) -> str:
        """Without its comments, in which a dollar may stand for itself."""
        return re.sub(r"^\s*#.*$", "", self.texts[COMPOSE], flags=re.MULTILINE)

    def lineage(self, target: str) -> list[Stage]:
        """A stage and the stages that it is built on, itself first."""
        stage = self.stages[target]
        return [stage, *(self.lineage(stage.base) if stage.base in self.stages else [])]

    def entrypoint(self, service: str) -> list[str]:
        """Of a service of our own image: ENTRYPOINT and the command, its own or the image's."""
        stage = self.stages[self.services[service]["build"]["target"]]
        command = self.services[service].get("command") or _words(stage.values("CMD")[-1])
        return [*_words(stage.values("ENTRYPOINT")[-1]), *command]

    def health_check(self, service: str) -> list[str]:
        """The words of its check, from the compose file or the image; empty where it has none."""
        found = self.services[service]
        if "healthcheck" in found:
            test: list[str] = found["healthcheck"]["test"]
            return test[1:]
        checks = self.stages[found["build"]["target"]].values("HEALTHCHECK") if "build" in found else []
        return _words(checks[-1].partition("CMD ")[2]) if checks else []

    def copied(self, stage: Stage) -> list[tuple[str, str]]:
        """(source in the repository, destination) of every COPY that does not come from another stage."""
        copies = [value.split() for value in stage.values("COPY") if "--from=" not in value]
        return [(source, words[-1]) for words in copies for source in words[:-1]]


def option(command: Iterable[str], name: str) -> str:
    """Its value in a command line, empty where it is not given."""
    return next((word.partition("=")[2] for word in command if word.startswith(f"{name}=")), "")


def _value(found: re.Match[str], variables: Mapping[str, str]) -> str:
    if found["dollar"]:
        return "$"
    value = variables.get(found["name"]) or (found["word"] if found["kind"] == "-" else None)
    if value is None:
        raise Refused(f"{found['name']}: {found['word']}")
    return value


def _words(json_array: str) -> list[str]:
    words: list[str] = yaml.safe_load(json_array)
    return words
