"""In a forked child, CPython calls private methods of every Thread, such as `_stop`. None of our thread classes
redefines such a method."""

import importlib
import pkgutil
import threading
from collections.abc import Iterator

import pytest

import processing_queue
import queue_store


class Plain(threading.Thread):
    """Defines only the attributes that Python adds to every class. These attributes differ between versions of
    Python."""


# The names that our threads may define. The documentation of Thread allows overriding `run` and `__init__`.
OVERRIDDEN = {"run", "__init__"} | set(vars(Plain))


def our_threads() -> set[type[threading.Thread]]:
    for package in (queue_store, processing_queue):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if "migrations" not in module.name and ".django." not in module.name:  # needs Django's settings
                importlib.import_module(module.name)
    return {
        kind
        for kind in subclasses(threading.Thread)
        if kind.__module__.startswith(("queue_store", "processing"))
    }


def subclasses(kind: type[threading.Thread]) -> Iterator[type[threading.Thread]]:
    for subclass in kind.__subclasses__():
        yield subclass
        yield from subclasses(subclass)


@pytest.mark.parametrize("kind", sorted(our_threads(), key=repr))
def test_no_thread_of_ours_shadows_a_name_of_thread(kind: type[threading.Thread]) -> None:
    taken = set(dir(threading.Thread)) | set(vars(threading.Thread()))
    assert set(vars(kind)) & taken <= OVERRIDDEN


def test_there_are_threads_to_look_at() -> None:
    assert len(our_threads()) >= 4
