from pathlib import Path

import click

from .frame import json_option, processor, say, write_json


@click.command()
@click.option("--format", "form", type=click.Choice(["html", "markdown"]), default="html", show_default=True)
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file to write (default: standard output).",
)
@click.option(
    "--send",
    is_flag=True,
    help="Send the report to the recipients in the setting REPORT_RECIPIENTS, instead of writing it.",
)
@json_option
def report(form: str, output: Path | None, send: bool, as_json: bool) -> None:
    """Write a report of the last day: one file with figures, plots, errors and alerts."""
    from queue_store.redaction import redact

    from ..report.contents import read_report
    from ..report.html import as_html
    from ..report.markdown import as_markdown
    from ..report.sending import send_report

    if send and (output is not None or form != "html"):
        raise click.UsageError("--send sends the HTML report: do not combine it with --output or --format")
    with processor("report") as queue:
        if send:
            _tell(send_report(queue.database, queue.settings), as_json)
            return
        contents = read_report(queue.database)
    text = as_html(contents) if form == "html" else as_markdown(contents)
    if output is not None:
        output.write_text(text, "utf-8")
    if as_json:
        write_json({"written": str(output)} if output else contents)
    elif output:
        say(f"Written to {output}")
    else:
        click.echo(redact(text, len(text) + 1), nl=False)


def _tell(sent_count: int, as_json: bool) -> None:
    if not sent_count:
        raise click.ClickException(
            "there are no recipients: name Apprise URLs in the setting REPORT_RECIPIENTS"
        )
    if as_json:
        write_json({"sent_count": sent_count})
    else:
        say(f"Sent to {sent_count}")
