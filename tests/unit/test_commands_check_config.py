"""`finsentry check-config`."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from stream_worker.cli import cli
from stream_worker.errors import ConfigurationError
from stream_worker.masking import masked
from stream_worker.settings import Settings


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FINSENTRY_HOME", str(tmp_path))


def _check(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["check-config", *arguments])


def _settings() -> dict[str, dict[str, Any]]:
    done = _check("--json")
    assert done.exit_code == 0, done.output
    return {setting["variable"]: setting for setting in json.loads(done.stdout)["settings"]}


def test_every_setting_is_shown_with_what_it_means() -> None:
    settings = _settings()
    assert set(settings) == {f"FINSENTRY_{name.upper()}" for name in Settings.model_fields}
    assert all(setting["description"] for setting in settings.values())
    shown = _check().output
    assert all(variable in shown for variable in settings)


def test_each_value_names_its_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    addresses = {"kafka_bootstrap": "127.0.0.1:1", "redis_url": "redis://127.0.0.1:2/0"}
    (tmp_path / "stack.json").write_text(json.dumps({"addresses": addresses}))
    monkeypatch.setenv("FINSENTRY_KAFKA_BOOTSTRAP", "kafka.example:9092")
    monkeypatch.setenv("FINSENTRY_BATCH_DOCUMENTS", "64")
    settings = _settings()
    expected: dict[str, tuple[object, str]] = {
        "KAFKA_BOOTSTRAP": ("kafka.example:9092", "environment"),
        "BATCH_DOCUMENTS": (64, "environment"),
        "REDIS_URL": ("redis://127.0.0.1:2/0", "stack.json"),
        "TRITON_URL": (None, "default"),
        "CLOCK": ("wall", "default"),
    }
    for name, (value, source) in expected.items():
        setting = settings[f"FINSENTRY_{name}"]
        assert (setting["value"], setting["source"]) == (value, source)


@pytest.mark.parametrize("output", [(), ("--json",)])
def test_no_password_is_shown(output: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "FINSENTRY_DATABASE_URL", "postgresql://finsentry:s3cr3t:x@db:5432/f?sslmode=require&password=s3cr3t"
    )
    monkeypatch.setenv("FINSENTRY_REDIS_URL", "redis://:s3cr3t@cache:6379/0")
    shown = _check(*output).output
    assert "s3cr3t" not in shown
    assert "postgresql://finsentry:***@db:5432/f?sslmode=require&password=***" in shown
    assert "redis://:***@cache:6379/0" in shown


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://u:p@h/d", "postgresql://u:***@h/d"),
        ("postgresql://u:p@ss@h/d", "postgresql://u:***@h/d"),
        ("postgresql://u@h/d", "postgresql://u@h/d"),
        ("redis://h:1/0", "redis://h:1/0"),
        ("p@ssw0rd", "***"),
    ],
)
def test_urls_are_shown_without_passwords(url: str, shown: str) -> None:
    assert masked(url) == shown


def test_a_variable_that_is_no_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FINSENTRY_KAFKA_BOOTSTRAPS", "oops")
    assert "FINSENTRY_KAFKA_BOOTSTRAPS is set, but there is no such setting." in _check().stderr
    assert json.loads(_check("--json").stdout)["unknown_variables"] == ["FINSENTRY_KAFKA_BOOTSTRAPS"]


def test_a_value_that_does_not_hold_is_a_configuration_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FINSENTRY_BATCH_DOCUMENTS", "many")
    failed = _check()
    assert isinstance(failed.exception, ConfigurationError)
    assert "FINSENTRY_BATCH_DOCUMENTS" in str(failed.exception)
