import click

from .frame import actor_option, json_option, processor, reason_option, say, write_json


@click.command()
@click.argument("flow_name", metavar="FLOW")
@reason_option
@actor_option
@json_option
def pause(flow_name: str, reason: str | None, actor: str, as_json: bool) -> None:
    """Stop claiming records of a flow. Handlers that are running may finish. New records can still be enqueued.

    For all flows at once: queuectl stop --processing.
    """
    with processor("pause") as queue:
        changed = queue.pause(flow_name, actor=actor, reason=reason)
    if as_json:
        write_json({"flow_name": flow_name, "is_paused": True, "was_changed": bool(changed)})
    else:
        say(
            f"{flow_name} is paused{'' if changed else ' already'}. Resume it with: queuectl resume {flow_name}"
        )
