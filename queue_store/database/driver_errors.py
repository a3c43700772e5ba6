"""The error for a database that cannot be used, in one line and with what to do."""

from sqlalchemy import URL

from queue_store.errors import DatabaseUnavailableError

CHECK_CONNECTION = "Check that Postgres runs there, that the network lets you through, and the URL."
ADVICE = {  # by SQLSTATE
    "53100": "Free disk space on its host; nothing was written.",
    "53200": "Its host is out of memory: work with less at once, or give it more.",
}


def unavailable(url: URL, error: BaseException) -> DatabaseUnavailableError:
    """Says which server, and why, in one line and without the password."""
    cause = getattr(error, "orig", None) or error
    where = url.query.get("host") or url.host or "the local socket"
    reason = " ".join(str(cause).split())[:300].rstrip(".?")
    if url.password:
        reason = reason.replace(str(url.password), "***")
    advice = ADVICE.get(getattr(cause, "sqlstate", None) or "", CHECK_CONNECTION)
    return DatabaseUnavailableError(
        f"the database {url.database} at {where}:{url.port or 5432} cannot be used: {reason}. {advice}"
    )
