"""Articles through a whole worker: real Kafka, Postgres and Triton, stub models."""

import io
import json
import math
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from stream_worker.domain.relevance import IN_PASSING, prominence
from stream_worker.offline import score_lines
from stream_worker.settings import Settings
from stream_worker.verify.verification import verify
from tests.services.deployment import Deployment, deployed, document

TITLE = "Apple soars as Nokia plunges"
BODY = "Nokia cuts its outlook. " * 20 + "\n\nMicrosoft is in London. " + "Apple gains. " * 300 + "Goldman Sachs loses."


@pytest.fixture
async def deployment(settings: Settings, tmp_path: Path) -> AsyncIterator[Deployment]:
    async with deployed(settings, tmp_path / "logs") as deployment:
        yield deployment


async def test_an_article_is_read_to_its_end_and_what_comes_first_is_most_relevant(deployment: Deployment) -> None:
    await deployment.send([document(TITLE, 1, body=BODY)])
    await deployment.start("worker")
    await deployment.until("SELECT count(*) FROM receipts", 1)
    assert await deployment.rows("SELECT truncated FROM documents") == [(False,)]
    relevance = dict(await deployment.rows("SELECT instrument_id, relevance FROM scores"))
    body_start = len(TITLE) + 1
    named = 301 + 21 + 1 + 1
    assert relevance == {
        "": None,
        "apple": pytest.approx(math.sqrt(301 / named)),
        "nokia": pytest.approx(IN_PASSING * math.sqrt(21 / named)),
        **{
            instrument: pytest.approx(
                IN_PASSING * math.sqrt(1 / named) * prominence(body_start + BODY.index(name), body_start)
            )
            for instrument, name in {"microsoft": "Microsoft", "goldman-sachs": "Goldman"}.items()
        },
    }
    mentions = await deployment.rows("SELECT surface, relevance, negative FROM mentions ORDER BY span_start")
    assert len(mentions) == 2 + 20 + 2 + 300 + 1
    apples = [relevance for surface, relevance, _ in mentions if surface == "Apple"]
    assert apples == sorted(apples, reverse=True)
    assert mentions[-1][2] > 0.5
    published = {score["instrument_id"]: score["relevance"] for score in await deployment.published("scores")}
    assert published == {instrument or None: relevance[instrument] for instrument in relevance}


async def test_the_longest_text_delays_nobody_for_long_and_says_that_it_was_not_read_to_its_end(
    deployment: Deployment,
) -> None:
    body = ("The outlook is weak, says the bank, and the market falls. " * 4_000)[:199_000] + " Microsoft soars."
    await deployment.send([document("Fraud", 1, body=body), *(document(f"Headline {n}", n) for n in range(100))])
    await deployment.start("worker")
    await deployment.until("SELECT count(*) FROM receipts", 101, seconds=20)
    assert await deployment.rows("SELECT truncated, count(*) FROM documents GROUP BY 1 ORDER BY 1") == [
        (False, 100),
        (True, 1),
    ]
    ((start, relevance, positive),) = await deployment.rows(
        "SELECT span_start, relevance, positive FROM mentions WHERE instrument_id = 'microsoft'"
    )
    assert (start, positive) == (len("Fraud\n") + body.index("Microsoft"), None)
    assert 0 < relevance < 1e-30
    assert await deployment.value("SELECT count(*) FROM scores WHERE instrument_id = 'microsoft'") == 0
    await deployment.stop(deployment.workers[0])
    report = await verify(deployment.settings)
    assert report.holds, report


async def test_mentions_of_a_body_in_html_stand_in_the_text_that_is_kept(deployment: Deployment) -> None:
    body = (
        "<p>Results</p><ul><li><b>Nokia</b> plunges<li>Goldman&nbsp;Sachs wins &amp; gains</ul><script>Apple</script>"
    )
    await deployment.send([document("Update", 1, body=body, body_type="html")])
    await deployment.start("worker")
    await deployment.until("SELECT count(*) FROM receipts", 1)
    assert await deployment.value("SELECT body FROM documents") == (
        "Results\n\nNokia plunges\nGoldman\xa0Sachs wins & gains"
    )
    polarity = dict(await deployment.rows("SELECT instrument_id, positive - negative FROM scores"))
    assert polarity["nokia"] < -0.5
    assert polarity["goldman-sachs"] > 0.5
    report = await verify(deployment.settings)
    assert report.holds, report


async def test_offline_scoring_says_the_same(deployment: Deployment, settings: Settings) -> None:
    message = document(TITLE, 1, body=BODY)
    await deployment.send([message])
    await deployment.start("worker")
    await deployment.until("SELECT count(*) FROM receipts", 1)
    start = f"{TITLE}\n{BODY}".index("Goldman")
    line = json.dumps({**json.loads(message), "targets": [{"start": start, "end": start + 15}]}).encode()
    output = io.BytesIO()
    assert await score_lines(io.BytesIO(line), output, settings, 1) == 0
    offline = json.loads(output.getvalue())
    stored = await deployment.rows("SELECT negative, neutral, positive FROM scores WHERE instrument_id = ''")
    assert list(offline["sentiment"].values()) == pytest.approx(stored[0], abs=1e-6)
    assert not offline["truncated"]
    assert offline["targets"][0]["sentiment"]["negative"] > 0.5
    assert len(offline["mentions"]) == await deployment.value("SELECT count(*) FROM mentions")
