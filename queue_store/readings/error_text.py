"""Every command, the Queue page and the report show an error in this form: its type, then its message."""


def error_text(exception_type: str | None, error_message: str | None) -> str:
    """`Type: message`. If the message already begins with the type, the type is not repeated. `exception_type` is None
    if the message does not come from an attempt."""
    message = error_message or ""
    if not exception_type or message.startswith(exception_type):
        return message
    return f"{exception_type}: {message}"
