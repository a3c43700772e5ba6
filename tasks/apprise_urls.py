"""Sends messages through Apprise (the extra `alerts`): notifications to contacts, and the report. Redirects are
refused, because a POST that follows a redirect becomes a GET without a body, and the answer to that GET could look like
a success."""

from pathlib import Path


class NotDeliveredError(Exception):
    """Nobody received the message. The text of this error names the scheme of the URL, but none of its secrets."""


def send_to(url: str, title: str, body: str, attachment: Path | None = None) -> None:
    """Raises NotDeliveredError."""
    scheme = url.partition(":")[0][:32]
    try:
        import apprise
    except ImportError:
        raise NotDeliveredError(
            f"{scheme}: channels other than https need Apprise: pip install 'processing-queue[alerts]'"
        ) from None
    channel = apprise.Apprise()
    if not channel.add(url):
        raise NotDeliveredError(f"{scheme}: Apprise does not know this kind of URL")
    for service in channel:
        service.redirects = False  # even if the URL allows redirects
    if not channel.notify(title=title, body=body, attach=str(attachment) if attachment else None):
        raise NotDeliveredError(
            f"{scheme}: the message was not accepted; if the address redirects, use the address to which it redirects"
        )
