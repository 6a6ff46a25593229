"""From Kafka to the screen: the dashboard fed by a real worker and monitor with the stub models."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from stream_worker.settings import Settings
from tests.browser.conftest import running_dashboard
from tests.services.deployment import Deployment, deployed, document, environment

SECONDS = 30_000


@pytest.fixture
async def deployment(settings: Settings, tmp_path: Path) -> AsyncIterator[Deployment]:
    """With worker and monitor running."""
    async with deployed(settings, tmp_path / "logs") as deployment:
        await deployment.start("worker")
        await deployment.start("monitor")
        yield deployment


@pytest.fixture
def address(deployment: Deployment, tmp_path: Path) -> Iterator[str]:
    """Where the dashboard answers."""
    with running_dashboard(tmp_path, environment(deployment.settings)) as address:
        yield address


async def test_published_documents_reach_an_open_page(deployment: Deployment, page: Page, address: str) -> None:
    await page.goto(address)
    await expect(page.locator(".fs-empty")).to_contain_text("No documents yet", timeout=SECONDS)
    await page.evaluate("window.never_reloaded = true")
    hostile = "<script>document.title='owned'</script> **profit** $x^2$ :red[soars]"
    await deployment.send([document(hostile, 1, id="1")])
    await deployment.send([document("Die Aktien der Deutschen Bank steigen nach den Zahlen um drei Prozent", 2)])
    await expect(page.locator(".fs-headline").first).to_have_text(hostile, timeout=SECONDS)
    await expect(page.locator(".fs-judged").last).to_contain_text("not scored", timeout=SECONDS)
    assert await page.evaluate("window.never_reloaded")
    assert await page.title() != "owned"


async def test_a_named_instrument_reaches_the_boards_and_its_own_page(
    deployment: Deployment, page: Page, address: str
) -> None:
    await deployment.send([document(f"Apple plunges, loss number {n}", n, id=str(n)) for n in range(5)])
    await page.goto(address)
    for board in ("most-mentioned", "most-negative"):
        await expect(page.locator(f".st-key-{board} a")).to_contain_text("Apple", timeout=SECONDS)
    await page.locator(".st-key-most-negative a").click()
    await expect(page.locator(".fs-headline").first).to_have_text("Apple plunges, loss number 0", timeout=SECONDS)
    await expect(page.locator(".stEChartsChart svg")).to_be_visible()
