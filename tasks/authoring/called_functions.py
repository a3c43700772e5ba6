"""Checks that the functions in a flow's declaration accept the arguments with which they will be called."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

HOOK_ARGUMENTS = {
    "before": ("context",),
    "after": ("context", "result"),
    "failed": ("context", "error", "will_retry"),
}
POLICY_ARGUMENTS = ("failed_attempts", "error")


def is_async(function: Callable[..., Any]) -> bool:
    """Whether the function is an `async def`, or an object whose `__call__` is one."""
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)


def check_functions(options: Mapping[str, Any]) -> None:
    """Checks the hooks and the back-off function, if they are given. Raises ValueError."""
    for option, arguments in HOOK_ARGUMENTS.items():
        if options.get(option) is not None:
            check_callable_with(options[option], option, arguments)
    check_policy(options.get("backoff"), "backoff")


def check_callable_with(function: Callable[..., Any], option: str, arguments: tuple[str, ...]) -> None:
    """Raises ValueError if the function does not accept these arguments."""
    try:
        signature = inspect.signature(function)
    except ValueError:  # written in C, without a signature
        return
    try:
        signature.bind(*arguments)
    except TypeError as problem:
        raise ValueError(f"{option} is called with ({', '.join(arguments)}): {problem}") from None


def check_policy(policy: object, option: str) -> None:
    """Checks the function of a retry policy. A Backoff or PERMANENT needs no check. Raises ValueError."""
    if not callable(policy):
        return
    if is_async(policy):
        raise ValueError(f"{option} must be a plain function: it is not awaited")
    check_callable_with(policy, option, POLICY_ARGUMENTS)
