"""Faults that change while a sandbox runs, and pushes that are killed at one of their calls."""

import signal
from dataclasses import dataclass

from forking import Forked
from replaying import until

from wootric_map.sandbox import Fault, FaultRule, ResetConnection, SandboxRequest


class Trouble:
    """A fault rule that can be changed while the sandbox runs."""

    rule: FaultRule | None = None

    def __call__(self, request: SandboxRequest) -> Fault | None:
        return self.rule(request) if self.rule else None


@dataclass
class Kill:
    """A fault rule that kills a push at one of its calls, which may still be carried out."""

    after: int
    """How many calls are answered before."""
    carried_out: bool
    process: Forked | None = None

    def __call__(self, request: SandboxRequest) -> Fault | None:
        self.after -= 1
        if self.after != -1:
            return None
        until(lambda: self.process is not None)
        assert self.process
        self.process.send_signal(signal.SIGKILL)
        return Fault(ResetConnection(), self.carried_out)
