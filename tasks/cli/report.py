from pathlib import Path

import click

from tasks.cli.frame import processor, say


@click.command()
@click.option("--format", "form", type=click.Choice(["html", "markdown"]), default="html", show_default=True)
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file to write (default: standard output).",
)
def report(form: str, output: Path | None) -> None:
    """Write a report of the last day: one file with figures, plots, errors and alerts."""
    from queue_store.redaction import redact
    from tasks.report import as_html, as_markdown, read_report

    with processor("report") as queue:
        contents = read_report(queue.database)
    text = as_html(contents) if form == "html" else as_markdown(contents)
    if output is None:
        click.echo(redact(text, len(text) + 1), nl=False)
        return
    output.write_text(text, "utf-8")
    say(f"Written to {output}")
