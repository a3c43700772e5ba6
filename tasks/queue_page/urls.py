"""The URLs of the page."""

from pathlib import Path

from tornado.routing import URLSpec
from tornado.web import StaticFileHandler

from .actions import ACTIONS
from .handlers import (
    ActionHandler,
    DataHandler,
    ExportHandler,
    MetricsHandler,
    PageHandler,
    UnknownHandler,
)
from .views import VIEWS

STATIC = Path(__file__).parent / "static"
PAGES = {
    r"/queue/?": "overview",
    r"/queue/flows/([^/]+)": "flow",
    r"/queue/records": "records",
    r"/queue/records/([^/]+)": "record",
    r"/queue/failures": "failures",
    r"/queue/runs": "runs",
    r"/queue/runs/([^/]+)": "run",
    r"/queue/processes": "processes",
    r"/queue/alerts": "alerts",
    r"/queue/schedule": "schedule",
    r"/queue/database": "database",
    r"/queue/audit": "audit",
}


def page_urls() -> list[URLSpec]:
    pages = [
        URLSpec(pattern, PageHandler, {"page": page}, name="queue" if page == "overview" else f"queue_{page}")
        for pattern, page in PAGES.items()
    ]
    data = [URLSpec(f"/queue/api/{name}", DataHandler, {"view": view}) for name, view in VIEWS.items()]
    actions = [URLSpec(f"/queue/api/do/{name}", ActionHandler, {"action": a}) for name, a in ACTIONS.items()]
    return [
        *pages,
        *data,
        *actions,
        URLSpec(r"/queue/export\.(csv|json)", ExportHandler),
        URLSpec(r"/metrics", MetricsHandler),
        URLSpec(r"/queue/static/(.*)", StaticFileHandler, {"path": str(STATIC)}),
        URLSpec(r"/queue/.*", UnknownHandler),
    ]
