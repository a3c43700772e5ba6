"""The reports and the exit codes of `reset` and `cancel`."""

from queue_store.plural import plural

from .frame import say, write_json


def report(as_json: bool, text: str, document: dict[str, object]) -> None:
    if as_json:
        write_json(document)
    else:
        say(text)


def end_if_left(*, named_were_skipped: bool, found_ids: list[int]) -> None:
    """Exits with 1 if a record that the caller named was skipped. If the search stopped at MAXIMUM_RECORDS, prints a
    message and exits with 1."""
    from queue_store.operators.operators import MAXIMUM_RECORDS

    if is_capped := len(found_ids) >= MAXIMUM_RECORDS:
        say(
            f"One call takes at most {plural(MAXIMUM_RECORDS)}. Call this command again for the remaining records.",
            err=True,
        )
    if named_were_skipped or is_capped:
        raise SystemExit(1)
