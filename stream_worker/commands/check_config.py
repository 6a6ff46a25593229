"""`finsentry check-config`: what holds, and where it comes from."""

from dataclasses import asdict, dataclass
from enum import Enum
from pathlib import Path

import click
import orjson
from pydantic import SecretStr

from stream_worker.masking import masked
from stream_worker.settings import Settings, load_settings, unknown_variables


@dataclass(frozen=True, slots=True)
class _Setting:
    variable: str
    value: str | int | float | None
    source: str
    description: str


@click.command("check-config")
@click.option("--json", "as_json", is_flag=True, help="Print the settings as JSON.")
def check_config(as_json: bool) -> None:
    """Print every setting, its value, and where it comes from: environment, stack.json or default. Secrets are masked.

    Exits 78 where a value does not hold. A variable FINSENTRY_… that no setting has is named: often it is misspelt.
    """
    settings = _settings()
    unknown = unknown_variables()
    if as_json:
        report = {"settings": [asdict(setting) for setting in settings], "unknown_variables": unknown}
        click.echo(orjson.dumps(report, option=orjson.OPT_INDENT_2))
        return
    width = max(len(setting.variable) for setting in settings)
    for setting in settings:
        value = "(not set)" if setting.value is None else setting.value
        click.echo(f"{setting.variable:<{width}}  {value}  [{setting.source}]  {setting.description}")
    for variable in unknown:
        click.echo(f"{variable} is set, but there is no such setting.", err=True)


def _settings() -> list[_Setting]:
    from_environment = load_settings(use_stack=False)
    settings = load_settings()
    found = []
    for name, field in Settings.model_fields.items():
        in_environment = name in from_environment.model_fields_set
        in_stack = not in_environment and name in settings.model_fields_set
        source = "environment" if in_environment else "stack.json" if in_stack else "default"
        value = _shown(getattr(settings, name))
        found.append(_Setting(f"FINSENTRY_{name.upper()}", value, source, field.description or ""))
    return found


def _shown(value: object) -> str | int | float | None:
    if isinstance(value, SecretStr):
        return masked(value.get_secret_value())
    if isinstance(value, Enum | Path):
        return str(value)
    assert value is None or isinstance(value, str | int | float)
    return masked(value) if isinstance(value, str) and "://" in value else value
