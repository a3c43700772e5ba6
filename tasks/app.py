"""The Celery application: `celery -A tasks worker`, `beat` and `flower`."""

from celery import Celery

from tasks.celery_hardening.child_watch import ChildWatch

app = Celery("tasks", task_cls="tasks.celery_hardening.resilient_task:CarefulTask")
app.config_from_object("celeryconfig")
app.steps["worker"].add(ChildWatch)  # pyright: ignore[reportOptionalSubscript]  (Celery's stub is wrong)
