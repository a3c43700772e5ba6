"""Decides what follows a failed attempt: another attempt after a delay, or none."""

import logging
import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final, Literal

from queue_store.errors import PayloadRejectedError

from ..exceptions import FlowDeclarationError, PermanentError

LONGEST_DELAY_SECONDS = 366 * 24 * 3600.0

logger = logging.getLogger(__name__)


class _Permanent(Enum):
    PERMANENT = "permanent"

    def __repr__(self) -> str:
        return "PERMANENT"


PERMANENT: Final = _Permanent.PERMANENT


def is_number_between(value: object, minimum: float, maximum: float) -> bool:
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and math.isfinite(value)
        and minimum <= value <= maximum
    )


@dataclass(frozen=True, slots=True)
class Backoff:
    """The delay before the n-th retry is `first_seconds * factor ** (n - 1)`, but at most `maximum_seconds`. A random
    part of the delay, at most the fraction `jitter`, is subtracted, so that records that failed together are not
    retried together."""

    first_seconds: float = 5.0
    factor: float = 2.0
    maximum_seconds: float = 3600.0
    jitter: float = 0.25

    def __post_init__(self) -> None:
        for name, minimum, maximum in (
            ("first_seconds", 0, LONGEST_DELAY_SECONDS), ("factor", 1, 100),
            ("maximum_seconds", 0, LONGEST_DELAY_SECONDS), ("jitter", 0, 1),
        ):  # fmt: skip
            if not is_number_between(getattr(self, name), minimum, maximum):
                raise FlowDeclarationError(
                    f"Backoff: {name} must be a number between {minimum} and {maximum}, not {getattr(self, name)!r}"
                )

    @classmethod
    def fixed(cls, seconds: float, jitter: float = 0.0) -> "Backoff":
        """A back-off with the same delay before every retry, except for the random part (`jitter`)."""
        return cls(seconds, 1.0, max(seconds, 0), jitter)

    def delay_seconds(self, failed_attempts: int) -> float:
        delay = min(self.maximum_seconds, self.first_seconds * self.factor ** min(failed_attempts - 1, 64))
        return delay * (1 - self.jitter * random.random())  # noqa: S311  (no secret)


DEFAULT_BACKOFF = Backoff()
DelayFunction = Callable[[int, BaseException], float]
RetryPolicy = Backoff | DelayFunction | Literal[_Permanent.PERMANENT]


def retry_delay_seconds(
    backoff: Backoff | DelayFunction,
    retry_on: Mapping[type[BaseException], RetryPolicy],
    failed_attempts: int,
    error: BaseException,
) -> float | None:
    """Returns None if no further attempt follows. If the error has no policy of its own, `backoff` decides."""
    policy = policy_of(retry_on, error) or backoff
    if policy is PERMANENT:
        return None
    if isinstance(policy, Backoff):
        return policy.delay_seconds(failed_attempts)
    return _own_delay_seconds(policy, failed_attempts, error)


def policy_of(
    retry_on: Mapping[type[BaseException], RetryPolicy], error: BaseException
) -> RetryPolicy | None:
    """Returns the policy in `retry_on` for the error's class, or else for the nearest base class. None if there is
    no such policy. A PermanentError is never retried. A rejected payload would be rejected again, so its record is
    retried only if `retry_on` says so."""
    if isinstance(error, PermanentError):
        return PERMANENT
    otherwise = PERMANENT if isinstance(error, PayloadRejectedError) else None
    return next((retry_on[kind] for kind in type(error).__mro__ if kind in retry_on), otherwise)


def _own_delay_seconds(policy: DelayFunction, failed_attempts: int, error: BaseException) -> float:
    """The delay that the author's function returns. If the function fails or returns no valid delay, the default
    back-off decides."""
    try:
        delay = policy(failed_attempts, error)
        if is_number_between(delay, 0, LONGEST_DELAY_SECONDS):
            return float(delay)
        logger.error("the back-off function %r returned %r instead of seconds", policy, delay)
    except Exception:
        logger.exception("the back-off function %r failed", policy)
    return DEFAULT_BACKOFF.delay_seconds(failed_attempts)
