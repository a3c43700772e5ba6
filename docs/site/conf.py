"""The documentation site. Sphinx reads the pages in place, so that the pages' links also work on a code host.

docs/site/index.md holds the tree of pages. `make docs` builds the site into .data/site, and any warning is an error.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = "processing_queue"
sys.path.insert(0, str(ROOT))

from docutils import nodes  # noqa: E402
from sphinx.addnodes import pending_xref  # noqa: E402
from sphinx.application import Sphinx  # noqa: E402
from sphinx.environment import BuildEnvironment  # noqa: E402

import queue_store  # noqa: E402
import tasks  # noqa: E402  (it makes the name processing_queue importable)

project = "processing-queue"
author = "The processing-queue authors"
release = version = queue_store.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx_click"]
root_doc = "docs/site/index"
include_patterns = ["*.md", "benchmarks/results/*.md", "compose/*.md", "docs/**", "queue_store/sql/README.md"]
exclude_patterns = [
    ".*", "docs/images", "docs/site/templates", "findings", "tasks", "tests",
]  # fmt: skip

myst_heading_anchors = 4
myst_enable_extensions = ["attrs_inline"]

default_role = "code"
add_module_names = False
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True

nitpicky = True
nitpick_ignore_regex = [
    (r"py:.*", r"(builtins|celery|collections|datetime|logging|psycopg|sqlalchemy|typing|uuid)\..*"),
    (r"py:.*", r"(processing_queue|queue_store)\..*"),
    (r"py:class", r"[A-Za-z]*"),  # type variables, and names that are imported for the type checker only
]
suppress_warnings = ["misc.highlighting_failure"]  # the rows after a COPY are not SQL


def link_to_public_name(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, content: nodes.Node
) -> nodes.Node | None:
    """A signature names the module that defines a class, but the site lists the class under its public name."""
    name = node.get("reftarget", "").rpartition(".")[2]
    if node.get("refdomain") != "py" or name not in tasks.__all__:
        return None
    arguments = (env, node["refdoc"], app.builder, "obj", f"{PACKAGE}.{name}", node, content)
    return env.get_domain("py").resolve_xref(*arguments)


def setup(app: Sphinx) -> None:
    app.connect("missing-reference", link_to_public_name)


html_theme = "furo"
html_title = f"processing-queue {release}"
html_additional_pages = {"index": "to_the_first_page.html"}
templates_path = ["templates"]
html_copy_source = False
html_show_sphinx = False
