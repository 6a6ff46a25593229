"""API keys: made, written, read, found; and who may listen without any."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from stream_worker.cli import cli
from stream_worker.errors import ConfigurationError
from stream_worker.ingest.gateway.access import is_loopback, require_loopback_or_keys
from stream_worker.ingest.gateway.keys import Scope, key_of_secret, new_key, read_keys

DIGEST = "sha256:" + "0" * 64


def test_a_key_is_found_by_its_secret_alone_after_a_way_through_its_file(tmp_path: Path) -> None:
    made = [new_key(name, [Scope.WRITE]) for name in ("wire", "forum")]
    file = tmp_path / "keys"
    file.write_text("".join(f"{key.line}\n" for _, key in made))
    keys = read_keys(file)
    assert keys == tuple(key for _, key in made)
    for secret, key in made:
        assert secret not in file.read_text()
        assert key_of_secret(keys, secret) == key
    assert key_of_secret(keys, made[0][0][:-1]) is None
    assert key_of_secret((), made[0][0]) is None


def test_the_command_tells_the_key_to_its_holder_and_the_line_to_the_file(tmp_path: Path) -> None:
    done = CliRunner().invoke(cli, ["gateway-key", "wire"])
    assert done.exit_code == 0
    file = tmp_path / "keys"
    file.write_text(done.stdout)
    secret = done.stderr.split()[-1]
    found = key_of_secret(read_keys(file), secret)
    assert found is not None
    assert (found.name, found.scopes) == ("wire", frozenset({Scope.WRITE}))


@pytest.mark.parametrize("arguments", [["two words"], ["wire", "--scope", "everything"]])
def test_the_command_refuses_names_and_scopes_that_no_file_holds(arguments: list[str]) -> None:
    assert CliRunner().invoke(cli, ["gateway-key", *arguments]).exit_code != 0


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("wire documents:write", "line 2 is no API key"),
        ("wire documents:write sha256:12", "line 2 is no API key"),
        ("wire documents:write md5:" + "0" * 64, "line 2 is no API key"),
        ("wire documents:read " + DIGEST, "line 2: documents:read names a scope"),
        ("other documents:write " + DIGEST, "the same name"),
    ],
)
def test_a_file_with_a_mistake_is_refused_whole_and_the_line_is_named(
    tmp_path: Path, line: str, complaint: str
) -> None:
    file = tmp_path / "keys"
    file.write_text(f"other documents:write sha256:{'1' * 64}\n{line}\n")
    with pytest.raises(ConfigurationError, match=complaint):
        read_keys(file)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="nowhere"):
        read_keys(tmp_path / "nowhere")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "[::1]", "localhost", "LOCALHOST"])
def test_this_machine_is_known_by_its_names(host: str) -> None:
    assert is_loopback(host)
    require_loopback_or_keys(host, [])


@pytest.mark.parametrize("host", ["", "0.0.0.0", "::", "10.0.0.1", "localhost.example", "127.0.0.1.example", "evil"])
def test_other_names_are_not_this_machine(host: str) -> None:
    assert not is_loopback(host)
    with pytest.raises(ConfigurationError, match="finsentry gateway-key"):
        require_loopback_or_keys(host, [])
    require_loopback_or_keys(host, [new_key("wire", [Scope.WRITE])[1]])
