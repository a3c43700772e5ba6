import keyword
import re
from importlib.resources import files
from pathlib import Path
from string import Template

import click

from .frame import json_option, say, write_json


@click.command("new-flow")
@click.argument("name")
@click.option(
    "--directory",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    help="The directory for both files.",
)
@json_option
def new_flow(name: str, directory: Path, as_json: bool) -> None:
    """Write a new flow and its test: NAME.py and test_NAME.py. Nothing is overwritten."""
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,62}", name) or keyword.iskeyword(name):
        raise click.BadParameter(
            "use 1 to 63 lower-case letters, digits and _, beginning with a letter.", param_hint="NAME"
        )
    targets = {
        directory / f"{name}.py": "flow.py.template",
        directory / f"test_{name}.py": "test_flow.py.template",
    }
    for target in targets:
        if target.exists():
            raise click.UsageError(f"{target} exists already: choose another name, or move it away.")
    directory.mkdir(parents=True, exist_ok=True)
    for target, template in targets.items():
        source = files("processing_queue.cli").joinpath("templates", template).read_text(encoding="utf-8")
        target.write_text(Template(source).substitute(name=name, module=name), encoding="utf-8")
    if as_json:
        write_json({"written": [str(target) for target in targets]})
        return
    say("\n".join(f"wrote {target}" for target in targets))
    say(f"Name its module in DEVELOPMENT_DISTRIBUTED_PROCESSOR_FLOW_MODULES={name}, and restart the workers.")
