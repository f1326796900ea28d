"""When a search stops: its deadline, or somebody who interrupts it."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass
class Clock:
    """The deadline, whether somebody interrupted, and a flag that compiled code reads."""

    deadline: float = np.inf
    stop: NDArray[np.int64] = field(default_factory=lambda: np.zeros(1, dtype=np.int64))
    interrupted: bool = False

    def restart(self, deadline: float) -> None:
        """Set a new deadline; an interrupt stays."""
        self.deadline = deadline
        self.stop[0] = self.interrupted

    @property
    def is_over(self) -> bool:
        """Whether the time is up or somebody interrupted."""
        return self.interrupted or time.monotonic() >= self.deadline

    @contextmanager
    def share(self, part: float) -> Iterator[None]:
        """A deadline after a part of the time that is left."""
        whole, now = self.deadline, time.monotonic()
        self.restart(whole if np.isinf(whole) else min(whole, now + part * (whole - now)))
        try:
            yield
        finally:
            self.restart(whole)

    @contextmanager
    def heeding_interrupts(self) -> Iterator[None]:
        """Let a first Ctrl-C end the time, at no place where a result is half written; a second one is as ever.

        Outside the main thread, which alone receives signals, and where interrupts are ignored, nothing changes.
        """
        usual = signal.getsignal(signal.SIGINT)
        if threading.current_thread() is not threading.main_thread() or not callable(usual):
            yield
            return

        def heed(*_: object) -> None:
            self.interrupted, self.stop[0] = True, 1
            signal.signal(signal.SIGINT, usual)

        signal.signal(signal.SIGINT, heed)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, usual)
