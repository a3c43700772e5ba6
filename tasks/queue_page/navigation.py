"""Loads a template of our own, if there is one, instead of Flower's. Adds an entry to Flower's navigation bar."""

from pathlib import Path
from typing import Any

import flower
from tornado.template import Loader, Template

OURS = Path(__file__).parent / "templates"
FLOWERS = Path(flower.__file__).parent / "templates"
END_OF_ENTRIES = "</ul>"
FIRST_LIST = '<ul class="app-nav navbar-nav">'
ENTRY = """  <li class="nav-item">
          <a class="nav-link{% if active_tab == 'queue' %} active{% end %}"
            href="{{ reverse_url('queue').rstrip('?').rstrip('/') }}"
            {% if active_tab == 'queue' %}aria-current="page"{% end %}>Queue</a>
        </li>
      """


class PageLoader(Loader):
    def __init__(self, **options: Any) -> None:
        super().__init__(str(FLOWERS), **options)

    def resolve_path(self, name: str, parent_path: str | None = None) -> str:
        return name

    def _create_template(self, name: str) -> Template:
        ours = OURS / name
        path = ours if ours.is_file() else FLOWERS / name
        text = path.read_text("utf-8")
        if name == "navbar.html":
            text = with_entry(text)
        return Template(text, name=name, loader=self)


def with_entry(navbar: str) -> str:
    """Adds our entry to the navigation bar. Raises RuntimeError if Flower's navigation bar does not have the expected
    form."""
    before, found, entries = navbar.partition(FIRST_LIST)
    inside, ended, after = entries.partition(END_OF_ENTRIES)
    if not found or not ended:
        raise RuntimeError("this version of Flower has another navigation bar: install flower>=2.2,<2.3")
    return before + found + inside + ENTRY + ended + after
