"""The dashboard in a real browser, fed by a real worker and monitor with the stub models."""

import asyncio
import shutil
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Page, async_playwright, expect

from stream_worker.local.servers import Servers
from stream_worker.settings import REPOSITORY_ROOT, Settings
from tests.services.deployment import Deployment, deployed, document, environment

CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Debian's chromium is not installed")

ARGUMENTS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
HOSTILE = [
    "<script>document.title='owned'</script> profit",
    "<b>Bold</b> <img src=x onerror=alert(1)> profit",
    "**Stars** and $x^2$ and :red[colour] [link](javascript:alert(1))",
]


@pytest.fixture
async def deployment(servers: Servers, settings: Settings, tmp_path: Path) -> AsyncIterator[Deployment]:
    """With worker, monitor and dashboard running."""
    async with deployed(settings, tmp_path / "logs") as deployment:
        await deployment.start("worker")
        await deployment.start("monitor")
        yield deployment


@pytest.fixture
async def address(deployment: Deployment) -> str:
    """Where the dashboard answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    arguments = ("-m", "streamlit", "run", "dashboard/app.py", f"--server.port={port}")
    with (deployment.logs / "dashboard.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *arguments,
            cwd=REPOSITORY_ROOT,
            env=environment(deployment.settings),
            stdout=log,
            stderr=log,
        )
    deployment.workers.append(process)
    async with asyncio.timeout(30):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                break
            except OSError:
                await asyncio.sleep(0.1)
    return f"http://127.0.0.1:{port}"


@pytest.fixture
async def page(address: str) -> AsyncIterator[Page]:
    """The dashboard's first page."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        page = await browser.new_page(viewport={"width": 1440, "height": 900})
        await page.goto(address)
        yield page
        await browser.close()


async def test_an_empty_deployment_says_what_to_do(page: Page) -> None:
    await expect(page.get_by_text("Nothing has been scored yet")).to_be_visible(timeout=30_000)


async def test_new_documents_appear_without_a_reload_and_headlines_are_text(deployment: Deployment, page: Page) -> None:
    await expect(page.get_by_text("Nothing has been scored yet")).to_be_visible(timeout=30_000)
    await page.evaluate("window.never_reloaded = true")
    await deployment.send([document(text, id=str(number)) for number, text in enumerate(HOSTILE)])
    for text in HOSTILE:
        await expect(page.get_by_text(text)).to_be_visible(timeout=30_000)
    assert await page.evaluate("window.never_reloaded")
    assert await page.title() != "owned"
    assert (
        await page.locator(".fs-text script, .fs-text img, .fs-text b, .fs-text strong, .fs-text .katex").count() == 0
    )
    assert await page.locator('a[href^="javascript"]').count() == 0


async def test_an_unscored_document_is_shown_as_unscored(deployment: Deployment, page: Page) -> None:
    await deployment.send([document("Die Aktien der Deutschen Bank steigen nach den Zahlen um drei Prozent")])
    await expect(page.get_by_text("unscored: other language")).to_be_visible(timeout=30_000)


async def test_the_boards_and_an_instruments_page_show_who_is_named(
    deployment: Deployment, page: Page, address: str
) -> None:
    await deployment.send([document(f"Apple plunges, loss number {n}", n, id=str(n)) for n in range(5)])
    for board in ("Most mentioned", "Most negative"):
        column = page.get_by_test_id("stColumn").filter(has_text=board).last
        await expect(column.get_by_text("Apple")).to_be_visible(timeout=30_000)
    await page.goto(f"{address}/instrument")
    await expect(page.get_by_text("Apple plunges, loss number 4")).to_be_visible(timeout=30_000)
    await expect(page.locator(".js-plotly-plot")).to_be_visible(timeout=30_000)


async def test_redis_away_is_one_sentence_and_the_page_recovers(
    deployment: Deployment, page: Page, servers: Servers
) -> None:
    await deployment.send([document("Profit soars", id="1")])
    await expect(page.get_by_text("Profit soars")).to_be_visible(timeout=30_000)
    servers.redis.kill()
    try:
        await expect(page.get_by_text("The live view (Redis) does not answer")).to_be_visible(timeout=30_000)
        assert await page.get_by_text("Traceback").count() == 0
    finally:
        servers.redis.spawn()
        await asyncio.to_thread(servers.redis.wait_ready)
    await expect(page.get_by_text("Profit soars")).to_be_visible(timeout=30_000)
