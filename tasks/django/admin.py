"""The queue in Django's admin: pages that show the queue, and actions that reset, cancel, pause and resume as
`queuectl` does."""

from typing import Any

from django.contrib import admin, messages
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.utils.functional import cached_property
from django.utils.html import format_html, format_html_join

from queue_store.errors import QueueStoreError
from queue_store.operators.operators import Operators
from queue_store.settings import load_processor_settings

from .database import opened_manager
from .models import AuditEntry, Flow, Record, Run
from .our_backends import page_url, queue_alias

COUNTED_AT_MOST = 10_000


class BoundedPaginator(Paginator):
    """Counts no further than COUNTED_AT_MOST, because counting millions of records takes seconds."""

    @cached_property
    def count(self) -> int:
        return len(self.object_list.values_list("pk")[:COUNTED_AT_MOST])


class ReadOnlyAdmin(admin.ModelAdmin):
    """Shows rows, and changes them only by actions. The actions need Django's permission `change`."""

    paginator = BoundedPaginator
    show_full_result_count = False

    def has_add_permission(self, request: Any, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: Any, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: Any, obj: Any = None) -> bool:
        return False

    def has_operate_permission(self, request: Any) -> bool:
        """Django calls this method for actions with `permissions=["operate"]`."""
        return request.user.has_perm(f"{self.opts.app_label}.change_{self.opts.model_name}")

    def ids_of(self, request: Any, chosen: QuerySet[Any]) -> list[int]:
        """If more than COUNTED_AT_MOST records are chosen, returns no id and shows the reason. The page counts only up
        to COUNTED_AT_MOST, so the user has not seen how many records the action would change."""
        ids: list[Any] = list(chosen.values_list("pk", flat=True)[: COUNTED_AT_MOST + 1])
        if len(ids) <= COUNTED_AT_MOST:
            return ids
        text = (
            f"More than {COUNTED_AT_MOST:,} records match, so nothing was changed. "
            "Narrow the search, or use queuectl."
        )
        self.message_user(request, text, messages.ERROR)
        return []

    def operate(self, request: Any, operation: Any) -> None:
        """Call `operation(operators, actor)`, and show the sentence that it returns or the text of its error."""
        try:
            with opened_manager(queue_alias()) as database:
                sentence = operation(Operators(database), request.user.get_username())
        except QueueStoreError as error:
            self.message_user(request, str(error), messages.ERROR)
        else:
            self.message_user(request, sentence, messages.SUCCESS)


@admin.register(Record)
class RecordAdmin(ReadOnlyAdmin):
    """Records, the newest first."""

    list_display = ("id", "flow_name", "status", "priority", "retry_count", "scheduled_at", "error_message")
    list_filter = ("status",)
    search_fields = ("=id", "=flow_name", "=correlation_id")
    search_help_text = "An id, the whole name of a flow, or a correlation id."
    actions = ("reset", "cancel")

    def get_fields(self, request: Any, obj: Any = None) -> list[str]:
        """Payloads and results are shown only if the setting SHOW_PAYLOADS allows this, as on the Queue page."""
        hidden = () if load_processor_settings().show_payloads else ("payload", "result")
        names = [field.name for field in self.opts.fields if field.name not in hidden]
        return [*names, "attempts_so_far", *(["on_the_queue_page"] if page_url() else [])]

    readonly_fields = ("attempts_so_far", "on_the_queue_page")

    @admin.display(description="attempts")
    def attempts_so_far(self, record: Any) -> Any:
        """The record's unsuccessful attempts."""
        rows = (
            (attempt.finished_at, attempt.outcome, attempt.exception_type, attempt.error_message)
            for attempt in record.attempts.using(queue_alias())
        )
        return format_html_join("", "<div>{} {}: {}: {}</div>", rows) or "-"

    @admin.display(description="Queue page")
    def on_the_queue_page(self, record: Any) -> Any:
        url = f"{page_url()}/records/{record.pk}"
        return format_html('<a href="{}">{}</a>', url, url)

    @admin.action(description="Reset the failed ones: try again", permissions=["operate"])
    def reset(self, request: Any, chosen: QuerySet[Any]) -> None:
        if not (ids := self.ids_of(request, chosen)):
            return

        def operation(operators: Operators, actor: str) -> str:
            done = operators.reset(ids, actor=actor)
            return (
                f"{len(done.reset_ids)} reset; {len(done.skipped_ids)} skipped, because they are not failed, "
                "or because other records have their dedup_key."
            )

        self.operate(request, operation)

    @admin.action(description="Cancel", permissions=["operate"])
    def cancel(self, request: Any, chosen: QuerySet[Any]) -> None:
        if not (ids := self.ids_of(request, chosen)):
            return

        def operation(operators: Operators, actor: str) -> str:
            done = operators.cancel(ids, actor=actor)
            return (
                f"{len(done.cancelled_ids)} cancelled; {len(done.asked_ids)} are running and were asked to stop; "
                f"{len(done.skipped_ids)} are finished."
            )

        self.operate(request, operation)


@admin.register(Flow)
class FlowAdmin(ReadOnlyAdmin):
    """Flows. Each task has a flow for each queue that it may use."""

    list_display = ("flow_name", "celery_queue", "max_retries", "paused_at", "ingestion_stopped_at")
    search_fields = ("flow_name",)
    actions = ("pause", "resume")

    @admin.action(description="Pause: claim nothing more", permissions=["operate"])
    def pause(self, request: Any, chosen: QuerySet[Any]) -> None:
        self._switch(request, chosen, "pause", "paused")

    @admin.action(description="Resume", permissions=["operate"])
    def resume(self, request: Any, chosen: QuerySet[Any]) -> None:
        self._switch(request, chosen, "resume", "resumed")

    def _switch(self, request: Any, chosen: QuerySet[Any], name: str, done: str) -> None:
        flow_names = list(chosen.values_list("pk", flat=True))

        def operation(operators: Operators, actor: str) -> str:
            switch = getattr(operators, name)
            changed = [flow for flow_name in flow_names for flow in switch(flow_name, actor=actor)]
            return f"{len(changed)} {done}."

        self.operate(request, operation)


@admin.register(Run)
class RunAdmin(ReadOnlyAdmin):
    """Runs, the latest first."""

    list_display = (
        "flow_instance_id",
        "flow_name",
        "state",
        "started_at",
        "records_claimed",
        "records_failed",
    )
    list_filter = ("state",)
    search_fields = ("=flow_name",)


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    """The audit log, the latest action first."""

    list_display = ("at", "actor", "action", "target", "affected_count")
    search_fields = ("=actor", "=action")
