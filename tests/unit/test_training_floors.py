"""The shipped models reach their floors on the test splits, scored by the code that serves."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from triton_models.evaluate import evaluate

REPOSITORY = Path(__file__).parents[2] / "triton_models" / "repository"
DATA = os.environ.get("FINSENTRY_DATA")


@pytest.mark.skipif(DATA is None, reason="FINSENTRY_DATA does not name the folder of the data sets")
async def test_the_test_splits_score_as_the_manifests_say_and_above_the_floors() -> None:
    figures = await evaluate(REPOSITORY, Path(DATA or ""))
    sentiment, entities = figures["sentiment"], figures["entities"]
    assert sentiment["documents"]["financial_phrasebank"]["accuracy"] >= 0.80
    assert sentiment["documents"]["twitter_financial_news"]["accuracy"] >= 0.87
    assert sentiment["targets"]["all"]["accuracy"] >= 0.83
    assert entities["strict_f1"] >= 0.73
    for name, found in figures.items():
        recorded = json.loads((REPOSITORY / name / "1" / "manifest.json").read_text())["figures"]["test"]
        # Other processors round differently; a row or two may tip over.
        assert _numbers(found) == pytest.approx(_numbers(recorded), abs=0.002)


def _numbers(figures: dict[str, Any], path: str = "") -> dict[str, float]:
    found: dict[str, float] = {}
    for name, value in figures.items():
        if isinstance(value, dict):
            found |= _numbers(value, f"{path}{name}/")
        elif name in ("rows", "sentences", "accuracy", "strict_f1"):
            found[f"{path}{name}"] = value
    return found
