"""Finds the Celery queue of a task. All calls of a task use the same queue."""

from typing import Any

DEFAULT_QUEUE = "flows"
OF_MESSAGES = ("exchange", "exchange_type", "routing_key")  # entries of a route that concern only messages


def flow_queue(app: Any, queue: Any = None, *, name: str | None = None) -> str:
    """Returns the name of a flow's queue, without the prefix of the schema. `name`: the name of the task whose queue is
    returned. `queue`: the Celery queue that a call names. If no queue is named, or if the named queue is Celery's
    default queue, returns the default queue of flows."""
    if name is not None:
        queue = getattr(app.tasks.get(name), "queue", None) or route_of(app, name).get("queue")
    queue = getattr(queue, "name", queue)
    return DEFAULT_QUEUE if queue in (None, app.conf.task_default_queue) else str(queue)


def route_of(app: Any, name: str) -> dict[str, Any]:
    """The entry of the task in `task_routes`: the queue and the options for calls of the task."""
    if not app.conf.task_routes:
        return {}
    route = app.amqp.router.lookup_route(name, (), {}, {}, app.tasks.get(name))
    if not isinstance(route, dict):
        return {} if route is None else {"queue": route}
    return {option: value for option, value in route.items() if option not in OF_MESSAGES}
