"""A page's script reads only properties that the answers of the views have. A property that is not there would be
shown as a dash, and nobody would notice."""

from collections.abc import Iterator

import pytest

from queue_store.database.manager import DatabaseManager
from tests.support.browser import Browser
from tests.support.page_browser import MARKS, PAGES, SHOWN, browser, page_url, shared_browser

pytestmark = MARKS
__all__ = ["browser", "page_url", "shared_browser"]
WATCH = """
window.missing = [];
const watched = (value, path) => (value === null || typeof value !== 'object') ? value : new Proxy(value, {
    get(target, name) {
        if (typeof name === 'string' && !(name in target) && !['then', 'toJSON'].includes(name))
            window.missing.push(`${path}.${name}`);
        return watched(target[name], Array.isArray(target) ? path : `${path}.${String(name)}`);
    },
});
const read = Response.prototype.json;
Response.prototype.json = async function () {
    return watched(await read.call(this), new URL(this.url).pathname);
};
"""
WITH_CHARTS = (
    f"({SHOWN}) && (!document.querySelector('.queue-figures') || document.querySelector('.queue-chart'))"
)


@pytest.fixture
def watching(browser: Browser) -> Iterator[Browser]:
    script = browser.call("Page.addScriptToEvaluateOnNewDocument", source=WATCH)["identifier"]
    yield browser
    browser.call("Page.removeScriptToEvaluateOnNewDocument", identifier=script)


@pytest.mark.parametrize("name", PAGES)
def test_every_property_is_there(name: str, watching: Browser, page_url: tuple[str, DatabaseManager]) -> None:
    watching.open(page_url[0] + PAGES[name], WITH_CHARTS)
    assert set(watching.run("window.missing")) == set()


def test_the_size_of_the_database_is_shown(browser: Browser, page_url: tuple[str, DatabaseManager]) -> None:
    browser.open(page_url[0] + "/queue/database", SHOWN)
    sizes = "[...document.querySelectorAll('.queue-tile')].map((t) => t.innerText.split('\\n'))"
    [shown] = [lines[1] for lines in browser.run(sizes) if lines[0].lower() == "size"]
    assert shown.endswith("MiB")
