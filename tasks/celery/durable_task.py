"""The methods of a durable task that differ from Celery's methods. For example, `retry()` retries the record."""

import logging
from collections.abc import Callable
from functools import cache, partial, wraps
from typing import Any

from celery import Task
from celery.exceptions import Retry
from celery.utils.serialization import raise_with_context

from .refusals import refuse

logger = logging.getLogger(__name__)


class DurableTask(Task):
    """The first base class of each durable task. The second base class is the one that the task would have in plain
    Celery. `retry()` and `update_state()` behave as in Celery if the task does not run for a record, such as in
    `apply()`. `replace()` and `add_to_chord()` are always refused."""

    abstract = True
    most_retries: int | None = None  # the record's limit; retry() cannot increase the limit

    def retry(  # type: ignore[override]
        self,
        args: Any = None,
        kwargs: Any = None,
        exc: Any = None,
        throw: bool = True,
        eta: Any = None,
        countdown: Any = None,
        max_retries: int | None = None,
        **options: Any,
    ) -> Any:
        """Raises Retry, which makes the record pending again. When the retries are used up, raises `exc` if it is
        given, and otherwise MaxRetriesExceededError. Raises NotDurableError for options that the retry of a record
        cannot have."""
        request = self.request
        if getattr(request, "durable", None) is None:
            return super().retry(
                args,
                kwargs,
                exc=exc,
                throw=throw,
                eta=eta,
                countdown=countdown,
                max_retries=max_retries,
                **options,
            )
        self._check_retry(args, kwargs, throw, max_retries, options)
        limit = self._limit(request.durable, max_retries)
        if limit is not None and request.retries >= limit:
            if exc:
                raise_with_context(exc)
            raise self.MaxRetriesExceededError(
                f"Can't retry {self.name}[{request.id}]: its {limit} retries are used up",
                task_args=request.args, task_kwargs=request.kwargs,
            )  # fmt: skip
        when = eta or (self.default_retry_delay if countdown is None else countdown)
        raise Retry(exc=exc, when=when, is_eager=False)

    def _limit(self, running: Any, max_retries: int | None) -> int | None:
        """The task's body may call `retry()` with a lower limit. When the body has used up these retries,
        `autoretry_for` calls `retry()` again, without the lower limit. So the lower limit stays in force until the
        attempt ends."""
        named = [limit for limit in (running.max_retries, max_retries) if limit is not None]
        running.max_retries = min(named, default=None)
        return self.max_retries if running.max_retries is None else running.max_retries

    def _check_retry(
        self, args: Any, kwargs: Any, throw: bool, max_retries: int | None, options: dict[str, Any]
    ) -> None:
        if args is not None or kwargs is not None:
            raise refuse(
                "retry() with other arguments", "a record keeps its payload: call the task again instead"
            )
        if not throw:
            raise refuse("retry(throw=False)", "retry() must end the task by raising: leave out throw")
        if said := {option for option, value in options.items() if value is not None}:
            raise refuse(
                f"retry({', '.join(sorted(said))}=…)", "a retry takes exc, countdown, eta and max_retries"
            )
        if max_retries is not None and self.most_retries is not None and max_retries > self.most_retries:
            raise refuse(
                f"retry(max_retries={max_retries})",
                f"the record may have {self.most_retries} retries; declare more: "
                f"@app.task(max_retries={max_retries})",
            )

    def delay_on_commit(self, *args: Any, **kwargs: Any) -> Any:
        """Does the same as `delay()`. Both write the record in the caller's transaction, so no worker sees it before
        the COMMIT. If the application uses Django's transaction and `task_always_eager`, the task runs after Django's
        COMMIT."""
        return self.apply_async_on_commit(args, kwargs)

    def apply_async_on_commit(self, *args: Any, **options: Any) -> Any:
        app: Any = self._get_app()
        if app.conf.task_always_eager and app.transaction.django_alias is not None:
            from django.db import transaction

            run = partial(self.apply_async, *args, **options)
            transaction.on_commit(run, using=app.transaction.django_alias)
            return None
        return self.apply_async(*args, **options)

    def replace(self, sig: Any) -> Any:
        raise refuse("self.replace()", "call the task that would replace this one, and return")

    def add_to_chord(self, sig: Any, lazy: bool = False) -> Any:
        raise refuse("self.add_to_chord()", "chords are not supported")

    def update_state(self, *arguments: Any, **options: Any) -> Any:
        """Raises NotDurableError while the task runs for a record. Otherwise this method does the same as Celery's own
        method."""
        if getattr(self.request, "durable", None) is not None:
            raise refuse(
                "self.update_state()", "the record has its own state; write progress into a table of your own"
            )
        return super().update_state(*arguments, **options)


def with_logged_errors(hook: Callable[..., Any]) -> Callable[..., Any]:
    """Returns a hook that logs an error instead of raising it. If `on_retry` raised an error, Celery would make the
    retry a failure."""

    @wraps(hook)
    def call(*arguments: Any, **options: Any) -> Any:
        try:
            return hook(*arguments, **options)
        except Exception:
            logger.exception("the hook %s of a task raised an error", hook.__name__)

    return call


@cache
def as_durable(base: type) -> type:
    """A subclass of DurableTask and `base`, in this order."""
    if issubclass(base, DurableTask):
        return base
    options = {"abstract": True, "__module__": base.__module__}
    return type(base.__name__, (DurableTask, base), options)
