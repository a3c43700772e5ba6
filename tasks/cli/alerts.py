from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from queue_store.plural import plural
from queue_store.redaction import redact

from .frame import actor_option, json_option, opened_database, say, write_json, write_table

if TYPE_CHECKING:
    from queue_store.alerting.alerts import Alert

HEADINGS = ("id", "level", "opened", "seen", "step", "state", "message")
DAY_SECONDS = 86_400
NO_THREAD = (
    "not tried, because this process could start no thread ({error}): end other processes of this user, or raise the "
    "limit of its processes (ulimit -u) or of its container, then test again"
)


@click.command()
@click.option(
    "--acknowledge",
    type=click.IntRange(1, 2**63 - 1),
    metavar="ID",
    help="Take responsibility for this alert: it is not escalated any more.",
)
@click.option("--test", "test_channels", is_flag=True, help="Send a test message to every contact.")
@click.option("--forget", metavar="CONTACT", help="Forget a contact that was removed from all settings.")
@click.option("--resolved", is_flag=True, help="Also list alerts that were resolved in the last 7 days.")
@actor_option
@json_option
def alerts(
    acknowledge: int | None,
    test_channels: bool,
    forget: str | None,
    resolved: bool,
    actor: str,
    as_json: bool,
) -> None:
    """List the alerts, acknowledge one, test the channels, or forget a contact.

    The list has at most 500 alerts, the worst first, and says how many more there are. With --json, `alert_count`
    of each alert is the number of all alerts.

    Exit 1 if the alert is not open or is already acknowledged, if the contact is unknown, or if a channel fails.
    """
    if sum((bool(acknowledge), test_channels, bool(forget))) > 1:
        raise click.UsageError("Give only one of --acknowledge, --test and --forget.")
    if test_channels:
        _test(as_json)
    elif acknowledge:
        _acknowledge(acknowledge, actor, as_json)
    elif forget:
        _forget(forget, actor, as_json)
    else:
        _list(resolved, as_json)


def _list(resolved: bool, as_json: bool) -> None:
    from queue_store.alerting.alerts import count_alerts, read_alerts

    resolved_seconds = 7 * DAY_SECONDS if resolved else 0
    with opened_database("alerts") as database, database.transaction() as cursor:
        found = read_alerts(cursor, resolved_seconds)
        count = count_alerts(cursor, found, resolved_seconds)
    if as_json:
        write_json([asdict(alert) | {"alert_count": count} for alert in found])
    elif not found:
        say("No alerts.")
    else:
        write_table(HEADINGS, [_row(alert) for alert in found])
        if count > len(found):
            say(f"and {plural(count - len(found), 'more alert')}", err=True)
        for alert in found:
            if alert.unsent_count and alert.sending_error:
                say(f"Alert {alert.id} could not be sent to everybody: {alert.sending_error}", err=True)


def _row(alert: "Alert") -> list[object]:
    state = "resolved" if alert.resolved_at else "open"
    if alert.acknowledged_by and not alert.resolved_at:
        state = f"acknowledged by {alert.acknowledged_by}"
    opened = f"{alert.opened_at:%Y-%m-%d %H:%M %Z}"
    return [
        alert.id,
        alert.level,
        opened,
        alert.seen_count,
        alert.escalation_step,
        state,
        alert.message,
    ]


def _acknowledge(alert_id: int, actor: str, as_json: bool) -> None:
    from queue_store.alerting.alerts import acknowledge

    with opened_database("alerts") as database, database.transaction() as cursor:
        done = acknowledge(cursor, alert_id, actor)
    if not done:
        raise click.ClickException(
            f"there is no open, unacknowledged alert {alert_id}. List the alerts with: queuectl alerts"
        )
    if as_json:
        write_json({"alert_id": alert_id, "acknowledged_by": actor})
    else:
        say(f"Alert {alert_id} is acknowledged by {actor}, and is not escalated any more.")


def _forget(contact: str, actor: str, as_json: bool) -> None:
    from queue_store.alerting import contacts

    with opened_database("alerts") as database, database.transaction() as cursor:
        known = contacts.forget(cursor, contact, actor)
    if not known:
        raise click.ClickException(
            f"no process has registered a contact {contact}: there is nothing to forget"
        )
    if as_json:
        write_json({"contact": contact, "forgotten_by": actor})
    else:
        say(
            f"{contact} is forgotten. A process with CONTACT_{contact.upper()} in its settings registers it again."
        )


def _test(as_json: bool) -> None:
    from queue_store.settings import load_processor_settings

    from ..alerts.fan_out_to_contacts import fan_out_to_contacts
    from ..alerts.sending import deliver, reachable_contacts, trial_message

    settings = load_processor_settings()
    contacts = reachable_contacts(settings)
    errors: dict[str, BaseException] = {}
    found = fan_out_to_contacts(
        lambda contact: deliver(contact, trial_message(contact), settings), contacts, errors.__setitem__
    )
    problems = {name: found[name] if name in found else _why_not(errors.get(name)) for name in contacts}
    if as_json:
        write_json(problems)
    else:
        for contact, problem in problems.items():
            say(f"{contact}: {problem or 'sent'}")
        if len(contacts) == 1:
            say(
                "No contact is configured: set CONTACT_PRIMARY and the other contacts to the URLs of their channels."
            )
    raise SystemExit(1 if any(problems.values()) else 0)


def _why_not(error: BaseException | None) -> str:
    """Says why the call for a contact has no result. `error`: None if the call has not ended."""
    from ..alerts.fan_out_to_contacts import SECONDS, NoThreadError

    if error is None:
        return f"no answer within {SECONDS:g} s"
    if isinstance(error, NoThreadError):
        return NO_THREAD.format(error=error)
    return redact(f"{type(error).__name__}: {error}")
