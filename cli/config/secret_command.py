"""Secrets from commands: `client_secret_command` and `password_command`."""

import os
import select
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from wootric_map.errors import SettingsError

_LONGEST: Final = 64 * 1024
_LEAST: Final = 0.1
"""Seconds that are waited for the end of a command that has written all."""
_PATIENCE: Final = 60.0
"""Seconds that a command may take, in which somebody may have to type a passphrase."""


@dataclass(frozen=True, slots=True)
class SecretCommand:
    """A command that writes a secret to its standard output."""

    words: tuple[str, ...]
    """The program and its arguments; no shell reads them."""
    folder: Path
    """The folder to run it in."""
    place: str
    """The file and line that give it, for messages."""

    def secret(
        self, *, patience: float = _PATIENCE, clock: Callable[[], float] = time.monotonic
    ) -> str:
        """Run the command and return what it writes, without the last line ending.

        The command gets no standard input, which may be an export; it may ask at the terminal. What it writes
        to standard error is thrown away, since it might tell the secret.

        Args:
            patience: seconds that it may take.
            clock: returns seconds that only grow.

        Raises:
            SettingsError: it can't be run, fails, takes too long, or writes no secret. The message quotes
                nothing of what it writes.
        """
        try:
            process = subprocess.Popen(  # noqa: S603 - that is what the user asks for
                self.words,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "it holds a NUL character"
            raise self._failed(f"can't be run: {reason}") from error
        deadline = clock() + patience
        with process:
            try:
                output = _read(process.stdout, deadline, clock)
                if output is not None and len(output) <= _LONGEST:
                    process.wait(max(deadline - clock(), _LEAST))
            except subprocess.TimeoutExpired:
                output = None
            finally:
                process.kill()
        if output is None:
            raise self._failed(f"took longer than {patience:g} s")
        if len(output) > _LONGEST:
            raise self._failed("writes more than 64 KiB: that is no secret")
        if process.returncode:
            raise self._failed(
                f"ended with exit code {process.returncode}; run it by hand to see why"
            )
        return self._text(output)

    def _text(self, output: bytes) -> str:
        try:
            text = output.decode()
        except UnicodeDecodeError:
            raise self._failed("writes no UTF-8 text") from None  # whose message would quote it
        text = text.removesuffix("\n").removesuffix("\r")
        if not text:
            raise self._failed("writes nothing")
        return text

    def _failed(self, what: str) -> SettingsError:
        return SettingsError(f"{self.place}: the command {self.words[0]} {what}")


def _read(stream: IO[bytes] | None, deadline: float, clock: Callable[[], float]) -> bytes | None:
    """Return what a pipe gives, of too much only the beginning; None if that takes too long."""
    read = b""
    while stream and len(read) <= _LONGEST:
        left = deadline - clock()
        if left <= 0 or not select.select([stream], [], [], left)[0]:
            return None
        piece = os.read(stream.fileno(), _LONGEST)
        if not piece:
            break
        read += piece
    return read
