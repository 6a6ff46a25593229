"""`page` is a tab of a headless Chromium, `site` an empty dashboard; browser and dashboard serve the whole session."""

import shutil
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, async_playwright, expect
from pydantic import SecretStr

from stream_worker.local.ports import Ports
from stream_worker.local.postgres import Postgres
from stream_worker.local.redis import Redis
from stream_worker.local.services import (
    dashboard_service,
    dashboard_url,
    service_environment,
    wait_for_dashboard,
)
from stream_worker.settings import Settings
from stream_worker.storage.engine import create_engine
from stream_worker.storage.migrate import upgrade
from tests.browser.site import Site

_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def chromium() -> str:
    """The browser's program."""
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("chromium is not installed (Debian: apt-get install chromium)")
    return program


@pytest.fixture(scope="session")
async def browser(chromium: str) -> AsyncIterator[Browser]:
    """A headless Chromium that calls nobody by itself."""
    expect.set_options(timeout=20_000)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=_ARGUMENTS)
        yield browser
        await browser.close()


@pytest.fixture(scope="session")
def site_settings(postgres: Postgres, redis_server: Redis, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A database and a Redis database that only the dashboard's tests use."""
    name = f"dashboard_{uuid.uuid4().hex[:12]}"
    postgres.query("postgres", f"CREATE DATABASE {name}")
    return Settings(
        home=tmp_path_factory.mktemp("dashboard"),
        database_url=SecretStr(postgres.database_url(name)),
        redis_url=SecretStr(redis_server.database_url(2)),
    )


@pytest.fixture(scope="session")
def dashboard(chromium: str, site_settings: Settings) -> Iterator[str]:
    """The dashboard as `finsentry up` starts it; its address."""
    assert site_settings.database_url
    assert site_settings.redis_url
    addresses = {
        "database_url": site_settings.database_url.get_secret_value(),
        "redis_url": site_settings.redis_url.get_secret_value(),
    }
    with running_dashboard(site_settings.home, service_environment(site_settings.home, addresses)) as address:
        yield address


@contextmanager
def running_dashboard(home: Path, environment: Mapping[str, str]) -> Iterator[str]:
    """A dashboard on a free port; yields its address."""
    port = Ports.free().triton_port
    service = dashboard_service(port, home, environment)
    service.spawn()
    try:
        wait_for_dashboard(service, port)
        yield dashboard_url(port)
    finally:
        service.stop()


@pytest.fixture
async def site(dashboard: str, site_settings: Settings) -> AsyncIterator[Site]:
    """The dashboard over empty servers."""
    engine = create_engine(site_settings.require_database_url(), pool_size=2)
    await upgrade(engine)
    site = Site(dashboard, site_settings, engine)
    await site.empty()
    yield site
    await engine.dispose()


@pytest.fixture
async def page(browser: Browser) -> AsyncIterator[Page]:
    """A tab as wide as an analyst's screen."""
    context = await browser.new_context(viewport={"width": 1440, "height": 900})
    yield await context.new_page()
    await context.close()
