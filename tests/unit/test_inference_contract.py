"""A worker refuses a repository or a server that is not what its code was written for."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stream_worker.errors import ContractError
from stream_worker.inference.contract import ServedModel, check_served, read_contract, read_pair
from tests.stub_models import write_stub_repository


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return write_stub_repository(tmp_path / "repository")


def change_manifest(repository: Path, model: str, changes: dict[str, Any]) -> None:
    path = repository / model / "1" / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def served_as_promised(repository: Path) -> ServedModel:
    contract = read_contract(repository, "sentiment")
    return ServedModel(
        model="sentiment",
        ready_versions=(1,),
        max_batch_size=64,
        inputs=contract.manifest.inputs,
        outputs=contract.manifest.outputs,
        parameters={"manifest_sha256.1": contract.manifest_sha256},
    )


def test_a_complete_repository_is_accepted_and_named_by_its_weights(repository: Path) -> None:
    pair = read_pair(repository)
    sentiment, entities = (pair.sentiment.manifest.weights_sha256[:12], pair.entities.manifest.weights_sha256[:12])
    assert pair.model_version == f"sentiment/1@{sentiment} entities/1@{entities}"


def test_other_weights_are_another_model_version(tmp_path: Path) -> None:
    versions = {read_pair(write_stub_repository(tmp_path / str(seed), seed)).model_version for seed in (0, 1)}
    assert len(versions) == 2


def test_the_latest_version_is_read_by_default_and_another_one_on_demand(repository: Path) -> None:
    shutil.copytree(repository / "sentiment" / "1", repository / "sentiment" / "10")
    path = repository / "sentiment" / "10" / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "version": 10}))
    assert read_contract(repository, "sentiment").manifest.version == 10
    assert read_contract(repository, "sentiment", version=1).manifest.version == 1


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"labels": ["positive", "neutral", "negative"]}, "says labels"),
        ({"outputs": {"logits": "float32"}}, "says outputs"),
        ({"inputs": {"input_ids": "int32", "attention_mask": "int32"}}, "says inputs"),
        ({"version": 2}, "says version 2"),
        ({"model": "entities"}, "says model entities"),
        ({"max_tokens": 100_000}, "is not a manifest"),
        ({"weights_sha256": "0" * 64}, "model.onnx is not the file that its manifest names"),
        ({"tokenizer_sha256": "0" * 64}, "tokenizer.json is not the file that its manifest names"),
    ],
)
def test_a_manifest_that_says_something_else_is_refused(
    repository: Path, changes: dict[str, Any], sentence: str
) -> None:
    change_manifest(repository, "sentiment", changes)
    with pytest.raises(ContractError, match=sentence):
        read_pair(repository)


@pytest.mark.parametrize("name", ["manifest.json", "model.onnx", "tokenizer.json"])
def test_a_missing_file_is_named(repository: Path, name: str) -> None:
    (repository / "entities" / "1" / name).unlink()
    with pytest.raises(ContractError, match=f"Cannot read .*{name}"):
        read_pair(repository)


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json"])
def test_a_file_with_other_bytes_is_refused(repository: Path, name: str) -> None:
    path = repository / "entities" / "1" / name
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(ContractError, match=f"{name} is not the file"):
        read_pair(repository)


def test_an_empty_repository_says_which_setting_to_change(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="FINSENTRY_MODEL_REPOSITORY"):
        read_pair(tmp_path)


def test_a_manifest_that_is_no_json_is_refused(repository: Path) -> None:
    (repository / "sentiment" / "1" / "manifest.json").write_bytes(b"\xff{")
    with pytest.raises(ContractError, match="is not a manifest"):
        read_pair(repository)


def test_models_that_read_different_tokens_are_refused(repository: Path) -> None:
    change_manifest(repository, "entities", {"max_tokens": 128})
    with pytest.raises(ContractError, match="read different tokens"):
        read_pair(repository)


def test_what_is_served_as_promised_is_accepted(repository: Path) -> None:
    check_served(read_contract(repository, "sentiment"), served_as_promised(repository), "here:1")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"ready_versions": (2, 3)}, "serves sentiment in version 2, 3"),
        ({"parameters": {}}, "manifest_sha256.1 is missing"),
        ({"parameters": {"manifest_sha256.1": "0" * 64}}, "manifest_sha256.1 says 000000000000"),
        ({"outputs": {"document_logits": "float16", "token_logits": "float32"}}, "with outputs"),
        ({"inputs": {"input_ids": "int64"}}, "with inputs"),
        ({"max_batch_size": 8}, "with max_batch_size 8"),
    ],
)
def test_a_server_that_serves_something_else_is_refused(
    repository: Path, changes: dict[str, Any], sentence: str
) -> None:
    served = replace(served_as_promised(repository), **changes)
    with pytest.raises(ContractError, match=sentence):
        check_served(read_contract(repository, "sentiment"), served, "here:1")
