"""axe-core finds no serious accessibility problem in either theme, at desktop and phone sizes, or in open dialogs."""

import shutil
import subprocess
import tarfile

import pytest

from queue_store.database.manager import DatabaseManager
from tests.support.browser import Browser
from tests.support.page_browser import MARKS, PAGES, SHOWN, SIZES, browser, page_url, shared_browser

pytestmark = MARKS
__all__ = ["browser", "page_url", "shared_browser"]
AXE = "axe.run('#queue-page').then((r) => r.violations.map((v) => [v.impact, v.id, v.nodes.map((n) => n.html)]))"


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    directory = tmp_path_factory.mktemp("axe")
    if shutil.which("npm") is None:
        pytest.skip("no npm to fetch axe-core with")
    fetched = subprocess.run(
        ["npm", "pack", "axe-core@4.14.1", "--silent"], cwd=directory, capture_output=True, timeout=60
    )
    if fetched.returncode:
        pytest.skip("the npm registry cannot be reached: " + fetched.stderr.decode()[:200])
    with tarfile.open(next(directory.glob("*.tgz"))) as archive:
        content = archive.extractfile("package/axe.min.js")
        assert content is not None
        return content.read().decode()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_nothing_serious_keeps_people_out(
    size: str, theme: str, axe: str, browser: Browser, page_url: tuple[str, DatabaseManager]
) -> None:
    browser.size(*SIZES[size])
    browser.theme(theme)
    findings = []
    for name, path in PAGES.items():
        browser.open(page_url[0] + path, SHOWN)
        browser.run(axe + "; 0")
        found = browser.run(AXE)
        findings += [(name, *f) for f in found if f[0] in ("serious", "critical")]
    assert findings == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_an_open_dialog_keeps_nobody_out(
    theme: str, axe: str, browser: Browser, page_url: tuple[str, DatabaseManager]
) -> None:
    browser.theme(theme)
    browser.open(page_url[0] + "/queue/flows/invoice_export", SHOWN)
    for label in ("Pause", "Reset all failed"):
        browser.click(label)
        browser.wait("document.querySelector('dialog[open] button[type=submit]:not(:disabled)')")
        browser.run(axe + "; 0")
        assert [f for f in browser.run(AXE) if f[0] in ("serious", "critical")] == []
        browser.press("Escape", 27)
        browser.wait("!document.querySelector('dialog')")
