"""What is costly to make is made once, by the first worker that asks; the others read it."""

from __future__ import annotations

import fcntl
import functools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest


@contextmanager
def alone(lock: Path) -> Iterator[None]:
    """Hold a lock between processes; it falls with the process that holds it."""
    with open(lock, "w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


def common(factory: pytest.TempPathFactory) -> Path:
    """A folder that all workers of this call of pytest share."""
    mine = factory.getbasetemp()
    return mine.parent if "PYTEST_XDIST_WORKER" in os.environ else mine


def once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """A folder filled by `make` the first time that any worker asks for its name; not to be changed by a test.

    A folder half made, by a worker that failed or was killed, is left aside and made again.
    """
    folder = common(factory) / name
    with alone(folder.with_suffix(".lock")):
        if not (folder / ".whole").exists():
            if folder.exists():
                folder.rename(factory.mktemp(f"failed-{name}") / name)
            folder.mkdir()
            make(folder)
            (folder / ".whole").touch()
    return folder


def compile_one_at_a_time(lock: Path) -> None:
    """Let one process compile while the others wait, to load from numba's cache what it has made."""
    from numba.core.compiler_lock import global_compiler_lock
    from numba.core.dispatcher import Dispatcher

    lock.parent.mkdir(parents=True, exist_ok=True)
    compile_ = Dispatcher.compile
    depth = 0

    @functools.wraps(compile_)
    def compile_alone(self: Any, sig: Any) -> Any:
        nonlocal depth
        with global_compiler_lock:  # one thread; it comes here again for what a function calls
            if depth:
                return compile_(self, sig)
            depth += 1
            try:
                with alone(lock):
                    return compile_(self, sig)
            finally:
                depth -= 1

    Dispatcher.compile = compile_alone
