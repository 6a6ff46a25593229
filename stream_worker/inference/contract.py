"""What a model promises (its manifest), and whether files and server keep it.

A version directory holds `manifest.json`, `model.onnx` and `tokenizer.json`. The manifest names labels, tensors and
the digests of the other two; Triton carries the manifest's digest as the model parameter `manifest_sha256.<version>`.
So one comparison shows whether a server serves what this code was tested with.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from stream_worker.domain.mentions import EntityType
from stream_worker.domain.sentiment import LABELS
from stream_worker.errors import ContractError

SENTIMENT = "sentiment"
ENTITIES = "entities"
#: The order of the tags in the entity model's output.
TAGS = ("O", *(f"{part}-{kind}" for kind in EntityType for part in "BI"))

INPUT_IDS = "input_ids"
ATTENTION_MASK = "attention_mask"
DOCUMENT_LOGITS = "document_logits"
TOKEN_LOGITS = "token_logits"  # noqa: S105
TAG_LOGITS = "tag_logits"

_INPUTS = {INPUT_IDS: "int64", ATTENTION_MASK: "int64"}
_EXPECTED: dict[str, tuple[tuple[str, ...], dict[str, str]]] = {
    SENTIMENT: (LABELS, {DOCUMENT_LOGITS: "float32", TOKEN_LOGITS: "float32"}),
    ENTITIES: (TAGS, {TAG_LOGITS: "float32"}),
}
#: Texts in one request at most.
MAX_ROWS = 32

_RETURN_TO_MATCHING = "Deploy a model repository and a code version that belong together."


class Manifest(BaseModel):
    """The part of manifest.json that this code relies on; the rest tells people where the weights come from."""

    model_config = ConfigDict(frozen=True, extra="ignore", protected_namespaces=())

    model: str
    version: int = Field(ge=1)
    labels: tuple[str, ...]
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    max_tokens: int = Field(ge=8, le=256)
    weights_sha256: str = Field(pattern="^[0-9a-f]{64}$")
    tokenizer_sha256: str = Field(pattern="^[0-9a-f]{64}$")


@dataclass(frozen=True, slots=True)
class ModelContract:
    """One version of one model whose files were checked."""

    folder: Path
    manifest: Manifest
    manifest_sha256: str

    @property
    def weights(self) -> Path:
        """The ONNX file."""
        return self.folder / "model.onnx"

    @property
    def tokenizer(self) -> Path:
        """The `tokenizers` file."""
        return self.folder / "tokenizer.json"

    @property
    def version_id(self) -> str:
        """What scored, for people and tables: "sentiment/1@0123456789ab"."""
        return f"{self.manifest.model}/{self.manifest.version}@{self.manifest.weights_sha256[:12]}"


@dataclass(frozen=True, slots=True)
class ModelPair:
    """The two models that read the same tokens."""

    sentiment: ModelContract
    entities: ModelContract

    @property
    def model_version(self) -> str:
        """Stable id of what scored: both version ids."""
        return f"{self.sentiment.version_id} {self.entities.version_id}"

    def __iter__(self) -> Iterator[ModelContract]:
        return iter((self.sentiment, self.entities))


@dataclass(frozen=True, slots=True)
class ServedModel:
    """What a server says it serves, in the manifest's words."""

    model: str
    ready_versions: tuple[int, ...]
    max_batch_size: int
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    parameters: Mapping[str, str]


def read_pair(repository: Path) -> ModelPair:
    """The latest versions of both models. Raises ContractError, also where they do not share one tokenizer."""
    pair = ModelPair(read_contract(repository, SENTIMENT), read_contract(repository, ENTITIES))
    sentiment, entities = pair.sentiment.manifest, pair.entities.manifest
    if (sentiment.tokenizer_sha256, sentiment.max_tokens) != (entities.tokenizer_sha256, entities.max_tokens):
        raise ContractError(
            f"The models in {repository} read different tokens (tokenizer.json or max_tokens differ between sentiment "
            f"{sentiment.version} and entities {entities.version}), but each text is tokenized once for both: export "
            "both with one tokenizer."
        )
    return pair


def read_contract(repository: Path, model: str, version: int | None = None) -> ModelContract:
    """The contract of a version (the latest where None), with labels, tensors and file digests checked.

    Raises ContractError with a sentence that says what differs and what to do.
    """
    version = _latest_version(repository, model) if version is None else version
    folder = repository / model / str(version)
    content = _read(folder / "manifest.json")
    try:
        manifest = Manifest.model_validate(json.loads(content))
    except (ValueError, ValidationError) as error:
        raise ContractError(f"{folder / 'manifest.json'} is not a manifest: {error}. Export the model again.") from None
    _check_manifest(folder, manifest, model, version)
    for name, expected in (("model.onnx", manifest.weights_sha256), ("tokenizer.json", manifest.tokenizer_sha256)):
        found = hashlib.sha256(_read(folder / name)).hexdigest()
        if found != expected:
            raise ContractError(
                f"{folder / name} is not the file that its manifest names (sha256 {found[:12]}, not {expected[:12]}): "
                "fetch the repository again, or export the model again."
            )
    return ModelContract(folder, manifest, hashlib.sha256(content).hexdigest())


def check_served(contract: ModelContract, served: ServedModel, server: str) -> None:
    """Raises ContractError where `served` is not the version that `contract` describes."""
    manifest = contract.manifest
    where = f"Triton at {server} serves {manifest.model}"
    if manifest.version not in served.ready_versions:
        versions = ", ".join(map(str, served.ready_versions))
        raise ContractError(
            f"{where} in version {versions}, this worker's repository has version {manifest.version}. "
            f"{_RETURN_TO_MATCHING}"
        )
    parameter = f"manifest_sha256.{manifest.version}"
    found = served.parameters.get(parameter)
    if found != contract.manifest_sha256:
        what = f"says {found[:12]}" if found else "is missing"
        raise ContractError(
            f"{where} version {manifest.version} from another manifest than this worker's repository: its parameter "
            f"{parameter} {what}, expected {contract.manifest_sha256[:12]}. {_RETURN_TO_MATCHING}"
        )
    if served.max_batch_size < MAX_ROWS:
        raise ContractError(
            f"{where} with max_batch_size {served.max_batch_size}, but this worker sends up to {MAX_ROWS} texts at "
            "once. Correct its config."
        )
    for kind, expected, tensors in (
        ("inputs", manifest.inputs, served.inputs),
        ("outputs", manifest.outputs, served.outputs),
    ):
        if dict(expected) != dict(tensors):
            raise ContractError(f"{where} with {kind} {dict(tensors)}, expected {dict(expected)}. Correct its config.")


def _latest_version(repository: Path, model: str) -> int:
    folder = repository / model
    versions = [int(entry.name) for entry in folder.iterdir() if entry.name.isdigit()] if folder.is_dir() else []
    if not versions:
        raise ContractError(
            f"There is no version of the model {model} in {repository}: set FINSENTRY_MODEL_REPOSITORY to a repository "
            "that holds one."
        )
    return max(versions)


def _check_manifest(folder: Path, manifest: Manifest, model: str, version: int) -> None:
    labels, outputs = _EXPECTED[model]
    facts = (
        ("model", manifest.model, model),
        ("version", manifest.version, version),
        ("labels", manifest.labels, labels),
        ("inputs", dict(manifest.inputs), _INPUTS),
        ("outputs", dict(manifest.outputs), outputs),
    )
    for name, found, expected in facts:
        if found != expected:
            raise ContractError(
                f"{folder / 'manifest.json'} says {name} {found}, but this code reads {expected}. {_RETURN_TO_MATCHING}"
            )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ContractError(
            f"Cannot read {path}: {error.strerror}. Set FINSENTRY_MODEL_REPOSITORY to a complete repository."
        ) from None
