"""The directory of a served model: manifest, and Triton's configurations for GPUs and CPUs.

The configurations carry the manifest's digest, so that a client can compare what a server serves with its own copy.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stream_worker.domain.sentiment import LABELS
from stream_worker.errors import ConfigurationError
from triton_models.datasets import TAGS
from triton_models.examples import MAX_TOKENS

VERSION = 1
#: Bytes of a weights file at most.
LARGEST_FILE = 24_999_999
LICENCE = "CC BY-NC-SA 4.0, see LICENSE-WEIGHTS.md"

_INPUTS = {"input_ids": [-1], "attention_mask": [-1]}


@dataclass(frozen=True, slots=True)
class ServedModel:
    """Names, classes and tensors of one model; shapes without the batch, -1: tokens."""

    name: str
    labels: Sequence[str]
    outputs: Mapping[str, Sequence[int]]


MODELS: Mapping[str, ServedModel] = {
    "sentiment": ServedModel("sentiment", LABELS, {"document_logits": [3], "token_logits": [-1, 3]}),
    "entities": ServedModel("entities", TAGS, {"tag_logits": [-1, 7]}),
}


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where weights come from."""

    base: str
    seed: int
    data: Mapping[str, str]
    temperature: Mapping[str, float]
    training: Mapping[str, Any]


def write_model(repository: Path, model: ServedModel, provenance: Provenance, figures: Mapping[str, Any]) -> None:
    """Write manifest and configurations beside the version's model.onnx and tokenizer.json."""
    folder = repository / model.name / str(VERSION)
    manifest = {
        "model": model.name,
        "version": VERSION,
        "labels": list(model.labels),
        "inputs": dict.fromkeys(_INPUTS, "int64"),
        "outputs": dict.fromkeys(model.outputs, "float32"),
        "max_tokens": MAX_TOKENS,
        "lowercase": True,
        "weights_sha256": digest(folder / "model.onnx"),
        "tokenizer_sha256": digest(folder / "tokenizer.json"),
        "base": provenance.base,
        "seed": provenance.seed,
        "data": dict(provenance.data),
        "training": dict(provenance.training),
        "temperature": dict(provenance.temperature),
        "figures": dict(figures),
        "licence": LICENCE,
    }
    _write_manifest(repository, model, manifest)


def record_figures(repository: Path, name: str, figures: Mapping[str, Any]) -> None:
    """Put figures of the test splits into a model's manifest. Raises ConfigurationError where there is none."""
    path = repository / name / str(VERSION) / "manifest.json"
    try:
        manifest = json.loads(path.read_text())
    except OSError as error:
        raise ConfigurationError(f"Cannot read {path}: {error.strerror}.") from None
    manifest["figures"] = {**manifest["figures"], "test": dict(figures)}
    _write_manifest(repository, MODELS[name], manifest)


def digest(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _write_manifest(repository: Path, model: ServedModel, manifest: Mapping[str, Any]) -> None:
    folder = repository / model.name
    path = folder / str(VERSION) / "manifest.json"
    path.write_text(json.dumps(manifest, indent=2) + "\n")
    contract = {f"manifest_sha256.{VERSION}": digest(path)}
    gpu = _configuration(model, ['platform: "tensorrt_plan"', "dynamic_batching { }"], "KIND_GPU", 128, contract)
    # No dynamic batching on a CPU: it gains nothing from merging full requests of 32 rows (a larger batch no longer
    # fits the caches), and Triton's batching thread spins while its instance is busy (ARCHITECTURE.md).
    cpu = _configuration(model, ['backend: "onnxruntime"'], "KIND_CPU", 32, {**contract, "intra_op_thread_count": "1"})
    (folder / "configs").mkdir(exist_ok=True)
    (folder / "config.pbtxt").write_text(gpu)
    (folder / "configs" / "cpu.pbtxt").write_text(cpu)


def _configuration(
    model: ServedModel, runtime: Sequence[str], kind: str, max_batch_size: int, parameters: Mapping[str, str]
) -> str:
    return "\n".join(
        [
            f'name: "{model.name}"',
            *runtime,
            f"max_batch_size: {max_batch_size}",
            _tensors("input", _INPUTS, "TYPE_INT64"),
            _tensors("output", model.outputs, "TYPE_FP32"),
            f"instance_group [{{ count: 1, kind: {kind} }}]",
            *(
                f'parameters {{ key: "{key}", value: {{ string_value: "{value}" }} }}'
                for key, value in parameters.items()
            ),
            "",
        ]
    )


def _tensors(direction: str, tensors: Mapping[str, Sequence[int]], data_type: str) -> str:
    lines = [f'  {{ name: "{name}", data_type: {data_type}, dims: {list(dims)} }}' for name, dims in tensors.items()]
    return f"{direction} [\n" + ",\n".join(lines) + "\n]"
