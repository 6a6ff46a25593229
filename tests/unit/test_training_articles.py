"""The shipped models read the sentences of an article as well as each alone, and better than all in one input."""

import os
from pathlib import Path

import pytest

from triton_models.articles import article_figures

REPOSITORY = Path(__file__).parents[2] / "triton_models" / "repository"
DATA = os.environ.get("FINSENTRY_DATA")


@pytest.mark.skipif(DATA is None, reason="FINSENTRY_DATA does not name the folder of the data sets")
async def test_an_article_is_read_as_well_as_its_sentences_alone() -> None:
    figures = await article_figures(REPOSITORY, Path(DATA or ""), articles=40)
    targets, documents, entities = figures.values()
    assert targets["article"] >= targets["alone"] - 0.02
    assert targets["article"] >= targets["one_input"] + 0.08
    assert documents["article"] >= documents["one_input"]
    assert entities["article"] >= max(entities["alone"] - 0.02, entities["one_input"])
