"""Time that passes only where somebody waits."""

import threading
from dataclasses import dataclass, field

NOON = 1_700_000_000.0


@dataclass
class VirtualTime:
    """A clock that only waiting moves."""

    now: float = NOON
    waits: list[float] = field(default_factory=list)
    stopped: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self) -> float:
        return self.now

    def wait(self, seconds: float) -> bool:
        with self.lock:
            self.waits.append(seconds)
            self.now += seconds
        return self.stopped
