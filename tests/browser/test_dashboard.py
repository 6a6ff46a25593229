"""The dashboard in a real browser, over real Postgres and Redis."""

import asyncio
import re
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Locator, Page, expect

from stream_worker.local.postgres import Postgres
from stream_worker.local.redis import Redis
from tests.browser.site import BAD, GOOD, MODEL, PLAIN, Site, Story

HOSTILE = (
    "<script>window.hacked = 1</script> shares fall",
    "<b>Apple</b> <img src=x onerror='window.hacked = 1'> falls",
    "Profit $x^2$ and $y$ rise",
    "Markets :red[hi] :material/home: today",
    "A **bold** and _plain_ `code` move",
    "Read [link](javascript:window.hacked=1) now",
    "&lt;i&gt; &amp; # heading",
)


async def _open(page: Page, url: str) -> Locator:
    """Go there, wait for the first documents, and return their headlines."""
    await page.goto(url)
    headlines = page.locator(".fs-headline")
    await expect(headlines.first).to_be_visible()
    return headlines


async def _shows_no_stack_trace(page: Page) -> None:
    assert "Traceback" not in await page.inner_text("body")
    await expect(page.locator("[data-testid=stException]")).to_have_count(0)


async def test_markup_in_headlines_and_sources_appears_literally(site: Site, page: Page) -> None:
    await site.publish([Story(text, minutes_ago=n + 1, source="<u>wire</u>") for n, text in enumerate(HOSTILE)])
    headlines = await _open(page, site.url)
    await expect(headlines).to_have_text(list(HOSTILE))
    await expect(page.locator(".fs-about").first).to_contain_text("<u>wire</u>")
    assert await page.locator(".fs-headline *:not(bdi), .fs-about :is(u, b, img, script)").count() == 0
    assert await page.evaluate("window.hacked") is None


async def test_only_web_addresses_are_links_and_they_tell_nothing(site: Site, page: Page) -> None:
    address = "https://example.org/a?b=1&c='\"<x>"
    await site.publish(
        [
            Story("safe", url=address, minutes_ago=1),
            Story("unsafe", url="javascript:window.hacked=1", minutes_ago=2),
            Story("data", url="data:text/html,<script>window.hacked=1</script>", minutes_ago=3),
        ]
    )
    await _open(page, site.url)
    links = page.locator(".fs-headline a")
    await expect(links).to_have_count(1)
    assert await links.get_attribute("href") == address
    assert await links.get_attribute("target") == "_blank"
    assert "noopener" in (await links.get_attribute("rel") or "")


async def test_new_documents_appear_without_reloading_the_page(site: Site, page: Page) -> None:
    await site.publish([Story("The first headline", GOOD, minutes_ago=5)])
    await _open(page, site.url)
    await expect(page.locator(".stEChartsChart svg")).to_be_visible()
    marked = (
        "window",
        "document.querySelector('.stEChartsChart svg')",
        "document.querySelector('.st-key-feed-scroll')",
    )
    await page.evaluate(f"() => {{ {'; '.join(f'{thing}.marker = 1' for thing in marked)} }}")
    await site.publish([Story("The second headline", BAD, minutes_ago=0.1)])
    await expect(page.locator(".fs-headline").first).to_have_text("The second headline")
    bars = page.locator(".stEChartsChart path[fill='#6f9fd0'], .stEChartsChart path[fill='#d98a5f']")
    await expect(bars).to_have_count(2)
    assert [await page.evaluate(f"{thing}.marker") for thing in marked] == [1, 1, 1]


async def test_the_feed_says_sentiment_in_words_and_which_model_judged(site: Site, page: Page) -> None:
    await site.publish([Story("Up", GOOD, minutes_ago=1), Story("Down", BAD, minutes_ago=2)])
    await _open(page, site.url)
    await expect(page.locator(".fs-label")).to_have_text(["▲ positive", "▼ negative"])
    await expect(page.locator(".fs-model")).to_contain_text(MODEL)
    await expect(page.locator(".fs-asof")).to_have_text(re.compile(r"as of \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC"))


async def test_an_unscored_document_shows_its_reason_and_never_neutral(site: Site, page: Page) -> None:
    await site.publish([Story("Aktien steigen kräftig", None, unscored_reason="other_language")])
    await _open(page, site.url)
    judged = page.locator(".fs-judged")
    await expect(judged).to_contain_text("not scored")
    await expect(judged).to_contain_text("not in a language that the models read")
    assert "neutral" not in await page.locator(".fs-feed").inner_text()
    await expect(page.locator(".fs-bar")).to_have_count(0)


async def test_boards_rank_by_mentions_and_by_polarity(site: Site, page: Page) -> None:
    up = [Story(f"Apple {n}", GOOD, {"apple": GOOD}, minutes_ago=n + 1) for n in range(4)]
    down = [Story(f"Ford {n}", BAD, {"ford-motor": BAD}, minutes_ago=n + 1) for n in range(3)]
    await site.publish([*up, *down])
    await _open(page, site.url)
    apple, ford = re.compile("Apple"), re.compile("Ford")
    await expect(page.locator(".st-key-most-mentioned tbody td:first-child")).to_have_text([apple, ford])
    await expect(page.locator(".st-key-most-negative tbody td:first-child")).to_have_text([ford])


async def test_an_empty_page_says_what_to_do_and_fills_by_itself(site: Site, page: Page) -> None:
    await page.goto(site.url)
    await expect(page.locator(".fs-empty")).to_contain_text("make demo")
    await site.publish([Story("The first headline")])
    await expect(page.locator(".fs-headline")).to_have_text(["The first headline"])
    await expect(page.locator(".fs-empty")).to_have_count(0)


async def test_while_redis_is_away_the_page_says_so_keeps_what_it_had_and_recovers(
    site: Site, page: Page, redis_server: Redis
) -> None:
    await site.publish([Story("Before the outage")])
    await _open(page, site.url)
    redis_server.kill()
    try:
        await expect(page.locator(".fs-notice")).to_contain_text("The live view (Redis) does not answer")
        await expect(page.locator(".fs-headline")).to_have_text(["Before the outage"])
        await _shows_no_stack_trace(page)
    finally:
        redis_server.start()
    await site.publish([Story("After the outage", minutes_ago=0.1)])
    await expect(page.locator(".fs-headline").first).to_have_text("After the outage")
    await expect(page.locator(".fs-notice")).to_have_count(0)


async def test_a_page_opened_while_redis_is_away_shows_one_sentence_and_fills_later(
    site: Site, page: Page, redis_server: Redis
) -> None:
    await site.publish([Story("Known to Postgres only")])
    redis_server.kill()
    try:
        await page.goto(site.url)
        await expect(page.locator(".fs-notice")).to_contain_text("does not answer")
        await _shows_no_stack_trace(page)
    finally:
        redis_server.start()
    await site.publish_again()
    await expect(page.locator(".fs-headline")).to_have_text(["Known to Postgres only"])


async def test_while_postgres_is_away_an_instrument_keeps_what_it_had_and_recovers(
    site: Site, page: Page, postgres: Postgres
) -> None:
    await site.publish([Story("Apple before", GOOD, {"apple": GOOD})])
    await _open(page, f"{site.url}/instrument?id=apple")
    postgres.kill()
    try:
        await expect(page.locator(".fs-notice")).to_contain_text("The database (Postgres) does not answer")
        await expect(page.locator(".fs-headline")).to_have_text(["Apple before"])
        await _shows_no_stack_trace(page)
    finally:
        postgres.start()
    await expect(page.locator(".fs-notice")).to_have_count(0)


async def test_a_board_leads_to_an_instrument_with_its_trend_and_documents(site: Site, page: Page) -> None:
    naming = {"apple": BAD, "ford-motor": GOOD}
    stories = [Story(f"Story {n}", PLAIN, naming, minutes_ago=20 * n + 1) for n in range(4)]
    await site.publish([*stories, Story("About nobody", GOOD)])
    await _open(page, site.url)
    await page.locator(".st-key-most-mentioned a", has_text="Apple").click()
    await expect(page.locator(".fs-heading h1")).to_have_text("Apple Inc.")
    await expect(page.locator(".fs-headline")).to_have_text([f"Story {n}" for n in range(4)])
    await expect(page.locator(".fs-label")).to_have_text(["▼ negative"] * 4)
    figure = page.locator(".fs-figure dd").first
    await expect(figure).to_have_text("4")
    await page.get_by_text("1 h", exact=True).click()
    await expect(figure).to_have_text("3")
    await expect(page.locator(".stEChartsChart path[fill='#d98a5f']")).to_have_count(3)
    await site.publish([Story("Apple again", BAD, {"apple": BAD}, minutes_ago=0.1)])
    await expect(page.locator(".fs-headline").first).to_have_text("Apple again")


async def test_another_instrument_can_be_searched_for_and_has_an_address(site: Site, page: Page) -> None:
    await site.publish(
        [Story("On Apple", GOOD, {"apple": GOOD}), Story("On Ford", BAD, {"ford-motor": BAD}, minutes_ago=2)]
    )
    await _open(page, f"{site.url}/instrument")
    await page.get_by_role("combobox").click()
    await page.keyboard.type("ford motor")
    await page.get_by_role("option", name=re.compile("Ford Motor")).first.click()
    await expect(page.locator(".fs-headline")).to_have_text(["On Ford"])
    await expect(page).to_have_url(re.compile(r"id=ford-motor$"))


async def test_an_instrument_page_opened_too_early_fills_by_itself(site: Site, page: Page) -> None:
    await page.goto(f"{site.url}/instrument")
    await expect(page.locator(".fs-empty")).to_contain_text("No instrument has been named yet")
    await site.publish([Story("On Apple", GOOD, {"apple": GOOD})])
    await expect(page.locator(".fs-headline")).to_have_text(["On Apple"])


async def test_an_unknown_instrument_in_the_address_is_text(site: Site, page: Page) -> None:
    await page.goto(f"{site.url}/instrument?id=%3Cimg%20src=x%20onerror=window.hacked=1%3E")
    await expect(page.locator(".fs-heading h1")).to_have_text("<img src=x onerror=window.hacked=1>")
    await expect(page.locator(".fs-empty")).to_contain_text("Nothing named it")
    assert await page.evaluate("window.hacked") is None


async def test_the_page_asks_nobody_but_its_own_server(site: Site, page: Page) -> None:
    asked: list[str] = []
    failures: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: failures.append(str(error)))
    await site.publish([Story("Apple", GOOD, {"apple": GOOD})])
    await _open(page, site.url)
    await _open(page, f"{site.url}/instrument?id=apple")
    await asyncio.sleep(3)
    assert {urlsplit(url).hostname for url in asked if urlsplit(url).scheme not in ("data", "blob")} == {"127.0.0.1"}
    assert failures == []


@pytest.mark.parametrize("width", [1440, 1000])
async def test_nothing_is_cut_off_at_the_side(site: Site, page: Page, width: int) -> None:
    await page.set_viewport_size({"width": width, "height": 900})
    long = "Un" + "breakable" * 30
    await site.publish([Story(long, BAD, {"apple": BAD}, minutes_ago=n + 1, source=f"{n}" * 60) for n in range(5)])
    await _open(page, site.url)
    await expect(page.locator(".stEChartsChart svg")).to_be_visible()
    cut = "[...document.querySelectorAll('.stMain, .st-key-feed-scroll')].filter(e => e.scrollWidth > e.clientWidth)"
    assert await page.evaluate(f"{cut}.length") == 0
