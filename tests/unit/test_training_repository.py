"""What stands in the model repository keeps its promises: sizes, floors, and that company does not change a score."""

import hashlib
import json
import random
import shutil
from pathlib import Path
from typing import Any

import pytest

from triton_models.agreement import LIMIT_BY_BATCH, OnnxModel, batch_variance
from triton_models.examples import load_tokenizer
from triton_models.serving import LARGEST_FILE, MODELS, record_figures

REPOSITORY = Path(__file__).parents[2] / "triton_models" / "repository"
NAMES = sorted(MODELS)

HEADLINES = [
    "Nokia",
    "Apple soars as Nokia cuts outlook",
    "$TSLA calls printing!!! 🚀 https://example.com/a",
    "Oil slips below $50 a barrel as OPEC fails to agree on output, dragging Exxon, Chevron and BP lower",
    "Operating profit rose to EUR 13.1 mn from EUR 8.7 mn in the corresponding period in 2007 .",
    "",
]


def manifest(repository: Path, name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((repository / name / "1" / "manifest.json").read_text())
    return content


@pytest.mark.parametrize("name", NAMES)
def test_no_probability_depends_on_company_or_padding(name: str) -> None:
    rng = random.Random(7)
    longer = [" ".join(rng.choices(" ".join(HEADLINES).split(), k=words)) for words in (30, 60, 100, 400)]
    tokenizer = load_tokenizer(REPOSITORY / name / "1")
    rows = [encoding.ids for encoding in tokenizer.encode_batch(HEADLINES + longer)]
    assert max(map(len, rows)) == 256
    assert batch_variance(OnnxModel(REPOSITORY / name / "1" / "model.onnx"), rows) <= LIMIT_BY_BATCH


@pytest.mark.parametrize("name", NAMES)
def test_files_are_small_and_the_ones_that_the_manifest_names(name: str) -> None:
    folder = REPOSITORY / name / "1"
    digests = {
        file: hashlib.sha256((folder / file).read_bytes()).hexdigest() for file in ("model.onnx", "tokenizer.json")
    }
    found = manifest(REPOSITORY, name)
    assert (found["weights_sha256"], found["tokenizer_sha256"]) == (digests["model.onnx"], digests["tokenizer.json"])
    assert (folder / "model.onnx").stat().st_size <= LARGEST_FILE
    assert b"/site-packages/" not in (folder / "model.onnx").read_bytes()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("config", ["config.pbtxt", "configs/cpu.pbtxt"])
def test_configurations_carry_the_digest_of_the_manifest(name: str, config: str) -> None:
    digest = hashlib.sha256((REPOSITORY / name / "1" / "manifest.json").read_bytes()).hexdigest()
    line = f'parameters {{ key: "manifest_sha256.1", value: {{ string_value: "{digest}" }} }}'
    assert line in (REPOSITORY / name / config).read_text().splitlines()


def test_the_recorded_figures_reach_the_floors() -> None:
    sentiment, entities = (manifest(REPOSITORY, name)["figures"]["test"] for name in ("sentiment", "entities"))
    assert sentiment["documents"]["financial_phrasebank"]["accuracy"] >= 0.80
    assert sentiment["documents"]["twitter_financial_news"]["accuracy"] >= 0.87
    assert sentiment["targets"]["all"]["accuracy"] >= 0.83
    assert entities["strict_f1"] >= 0.73


def test_recording_figures_changes_the_manifest_and_both_configurations_together(tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    shutil.copytree(REPOSITORY, repository, ignore=shutil.ignore_patterns("*.onnx"))
    before = (repository / "entities" / "configs" / "cpu.pbtxt").read_text()
    record_figures(repository, "entities", {"strict_f1": 0.5})
    digest = hashlib.sha256((repository / "entities" / "1" / "manifest.json").read_bytes()).hexdigest()
    assert manifest(repository, "entities")["figures"]["test"] == {"strict_f1": 0.5}
    assert (repository / "entities" / "configs" / "cpu.pbtxt").read_text() != before
    for config in ("config.pbtxt", "configs/cpu.pbtxt"):
        assert digest in (repository / "entities" / config).read_text()
