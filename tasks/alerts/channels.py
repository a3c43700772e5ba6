"""Ways to reach a contact: the log, a JSON webhook, and every service that Apprise supports (the extra `alerts`)."""

import logging
from typing import Protocol

from queue_store.settings import ProcessorSettings

from ..apprise_urls import NotDeliveredError, send_to
from .webhook import Webhook

logger = logging.getLogger("processing_queue.alerts")

LOG_LEVELS = {"warning": logging.WARNING, "critical": logging.ERROR, "emergency": logging.CRITICAL}


class ChannelError(Exception):
    """A message could not be sent. The text of this error contains no secret."""


class Channel(Protocol):
    def send(self, message: dict[str, object]) -> None:
        """Raises ChannelError."""
        ...


class LogChannel:
    def send(self, message: dict[str, object]) -> None:
        level = LOG_LEVELS.get(str(message["level"]), logging.WARNING)
        logger.log(logging.INFO if message["change"] == "resolved" else level, "%s", subject(message))


class WebhookChannel:
    def __init__(self, url: str, allowed_hosts: tuple[str, ...]) -> None:
        self._webhook = Webhook(url, allowed_hosts)

    def send(self, message: dict[str, object]) -> None:
        try:
            self._webhook.post(message)
        except (OSError, ValueError) as error:
            raise ChannelError(f"{self._webhook.host}: {error}") from None


class AppriseChannel:
    def __init__(self, url: str) -> None:
        self._url = url

    def send(self, message: dict[str, object]) -> None:
        try:
            send_to(self._url, subject(message), f"{message['message']}\n{message['next_step']}")
        except NotDeliveredError as error:
            raise ChannelError(str(error)) from None


def channels_of(contact: str, settings: ProcessorSettings) -> list[Channel]:
    """The channels that are listed in the contact's setting. The list is empty for a contact that is not configured."""
    if contact == "log":
        return [LogChannel()]
    urls: tuple[str, ...] = getattr(settings, f"contact_{contact}")
    return [channel_for(url, settings) for url in urls]


def channel_for(url: str, settings: ProcessorSettings) -> Channel:
    if _scheme(url) in ("https", "http"):
        return WebhookChannel(url, settings.webhook_hosts)
    return AppriseChannel(url)


def subject(message: dict[str, object]) -> str:
    return f"[{str(message['level']).upper()}] {message['change']}: {message['message']}"


def _scheme(url: str) -> str:
    return url.partition(":")[0][:32]
