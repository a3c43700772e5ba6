"""The output of a command that fails: one message on stderr, and an exit code. With --json, the command also writes
one document on stdout."""

import os
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import click

from queue_store.errors import ConnectionLimitError, DatabaseUnavailableError, QueueStoreError, SettingsError
from queue_store.redaction import redact

from .frame import say, write_json

FAILED = 1
DATABASE_UNAVAILABLE = 3
WRONG_USAGE = 64  # EX_USAGE of sysexits.h; click's own 2 would mean critical to a probe that runs `check`
INTERRUPTED = 130


class UserInterruptError(Exception):
    """Ctrl-C. With click's own Abort, click would print an empty line before our message."""


@dataclass(frozen=True, slots=True)
class Failure:
    message: str
    exit_code: int


@contextmanager
def errors_said(arguments: Sequence[str]) -> Generator[None]:
    """Turns an error into a message and SystemExit. An error that is a fault of this program keeps its traceback."""
    wants_json = asks_for_json(arguments)
    try:
        yield
    except Exception as error:
        failure = meaning_of(error) or _not_utf8(error, arguments)
        if failure is None:
            if wants_json:
                fault = f"{type(error).__name__}, which is a fault of this program: stderr has the traceback"
                write_json({"error": fault, "exit_code": FAILED})
            raise
        if wants_json:
            write_json({"error": redact(failure.message), "exit_code": failure.exit_code})
        _say(error, failure.message)
        raise SystemExit(failure.exit_code) from None


def follows_ctrl_c(error: BaseException) -> bool:
    """Returns True for a KeyboardInterrupt, and for an error that was raised while one was handled: if Ctrl-C
    interrupts a statement, the connection can be closed, and then its rollback raises an error. Returns False if click
    has already handled a Ctrl-C at a prompt."""
    chain: BaseException | None = error
    while chain is not None and not isinstance(chain, KeyboardInterrupt):
        chain = chain.__context__
    return chain is not None and not isinstance(error, click.Abort)


def asks_for_json(arguments: Sequence[str]) -> bool:
    """Returns True if the arguments contain --json. Looks at the arguments before click parses them, because with
    --json, click's own errors must be written as JSON, too."""
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return "--json" in options


def meaning_of(error: Exception) -> Failure | None:
    """Returns None if the error is a fault of this program."""
    match error:
        case click.ClickException():
            is_usage = isinstance(error, click.UsageError)
            return Failure(error.format_message(), WRONG_USAGE if is_usage else error.exit_code)
        case UserInterruptError():
            return Failure("Interrupted. Uncommitted changes are rolled back.", INTERRUPTED)
        case click.Abort():
            return Failure("Nothing was done, because you did not confirm.", FAILED)
        case _:
            return _of_the_store(error)


def _not_utf8(error: Exception, arguments: Sequence[str]) -> Failure | None:
    """Finds the argument that is not UTF-8. A path may hold any byte. Every other argument goes to the database, and
    the driver raises UnicodeEncodeError if the argument is not UTF-8."""
    if not isinstance(error, UnicodeEncodeError):
        return None
    actor = os.environ.get("QUEUECTL_ACTOR", "")
    wrong = [text for text in (*arguments, actor) if not _is_encodable(text)]
    if not wrong:
        return None
    return Failure(
        f"{ascii(wrong[0])[:80]} is not UTF-8: save the script that calls queuectl as UTF-8.", WRONG_USAGE
    )


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _of_the_store(error: Exception) -> Failure | None:
    import psycopg

    from queue_store.database.driver_errors import cause_of

    match error:
        case SettingsError():
            from queue_store.settings import wrong_settings

            from ..embedded.places import advice_on_addresses

            others = wrong_settings(database_is_needed=False)  # `error` already names a missing DATABASE_URL
            wrong = SettingsError(error.problems + others)
            advice = advice_on_addresses(wrong.problems)
            return Failure(f"{wrong}\n{advice}" if advice else str(wrong), FAILED)
        case ConnectionLimitError():
            from queue_store.settings import DEFAULT_DATABASE, load_processor_settings

            from ..monitoring.connection_holders import last_known

            holders = last_known(load_processor_settings(), DEFAULT_DATABASE)
            return Failure(f"{error} {holders}", DATABASE_UNAVAILABLE)
        case DatabaseUnavailableError():
            return Failure(str(error), DATABASE_UNAVAILABLE)
        case QueueStoreError():
            return Failure(str(error), FAILED)
        case psycopg.errors.InsufficientPrivilege():
            return Failure(f"{_one_line(error)}. {_advice_on_rights()}", FAILED)
        case psycopg.Error() | OSError():
            return Failure(_one_line(error), FAILED)
        case _:
            cause = cause_of(error)
            return _of_the_store(cause) if isinstance(cause, psycopg.Error) else None


def _advice_on_rights() -> str:
    from queue_store.queue_schema import role_name

    return (
        f"The login in DATABASE_URL lacks a right. Commands that only read need {role_name('monitor')}. All other "
        f"commands need {role_name('admin')}. Call `queuectl grant-roles` as the owner, then GRANT the role to the "
        f"login. A login with {role_name('producer')} enqueues with the library or by SQL, not with queuectl."
    )


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def _say(error: Exception, message: str) -> None:
    if isinstance(error, click.ClickException):
        error.show()  # for a UsageError, click also shows how to use the command
    else:
        say(
            message if isinstance(error, (click.Abort, UserInterruptError)) else f"Error: {message}", err=True
        )
