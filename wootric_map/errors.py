"""Every exception of the library: one root, grouped by what to do about it.

- `FatalError`: the run can't go on. `exit_code` is what the command line ends with.
- `PassingError`: trying again later may help.
- `RecordError`: one record, call or file is left out, and the run goes on.
"""

from typing import TYPE_CHECKING, ClassVar, Final

if TYPE_CHECKING:
    from wootric_map.model import Failure

EXIT_USAGE: Final = 2
"""Something that the run was given can't be used."""
EXIT_SIGN_IN: Final = 4
"""Wootric refused the credentials."""
EXIT_UNREACHABLE: Final = 5
"""Wootric could not be reached or believed, or the disk could not be written."""
EXIT_BUSY: Final = 6
"""Another run is at work on the account."""
EXIT_OVER_THRESHOLD: Final = 7
"""More was found than a threshold allows."""
EXIT_UNFORESEEN: Final = 70
"""A fault of the program itself, or of what it runs on."""
EXIT_INTERRUPTED: Final = 130
"""A person or a signal ended the run."""


class ReplayError(Exception):
    """The root of all exceptions of the library; the message is for a person."""

    exit_code: ClassVar[int] = EXIT_UNFORESEEN
    """The exit code of the command line if the exception ends the run."""


class FatalError(ReplayError):
    """The run can't go on."""


class PassingError(ReplayError):
    """What failed may work later."""


class RecordError(ReplayError):
    """One record, call or file is left out; the run goes on."""


class SourceError(FatalError):
    """A path that can't be read; the message says which, why, and what to do."""

    exit_code = EXIT_USAGE


class OneFileError(SourceError):
    """Two options name one file; the message says which."""


class SnapshotError(SourceError):
    """A file that is no snapshot, or not the one that is needed; the message says what to do."""


class PlanFileError(SourceError):
    """A file that can't be pushed as a plan; the message says why and what to do."""


class JournalError(SourceError):
    """A file that can't serve as the account's journal; the message says why and what to do."""


class SettingsError(FatalError, ValueError):
    """A setting that can't be right; the message says why and what to do."""

    exit_code = EXIT_USAGE


class UnfitSettingsError(SettingsError):
    """Settings that contradict each other, or name what can't be used; the command line adds its usage."""


class LockedError(FatalError):
    """Another run holds the lock."""

    exit_code = EXIT_BUSY


class NotAFileError(FatalError):
    """A folder, link, device or pipe stands where a file is needed, or a file of another kind."""


class NotOursError(FatalError, PermissionError):
    """A file that another user owns; the message says which, why, and what to do."""

    exit_code = EXIT_UNREACHABLE


class JournalFailedError(FatalError):
    """The journal can't be written any more, so nothing more may be sent."""

    exit_code = EXIT_UNREACHABLE


class LostProcessError(FatalError):
    """A process was ended from outside, and its work with it; the message says what to do."""


class StoppedError(FatalError):
    """The run was told to stop."""

    exit_code = EXIT_INTERRUPTED

    def __init__(self) -> None:
        super().__init__("interrupted")


class WootricError(ReplayError):
    """Wootric could not do what it was asked."""

    exit_code = EXIT_UNREACHABLE


class SignInRefusedError(WootricError, FatalError):
    """The credentials, or the token they gave, were refused."""

    exit_code = EXIT_SIGN_IN


class NotBelievedError(WootricError, FatalError):
    """Several replies in a row can't be believed."""


class NotSentError(WootricError, PassingError):
    """No connection was made, so that the server can't have taken the call."""


class UnreachableError(WootricError, PassingError):
    """There was no connection or no answer in all tries."""


class NoAnswerError(WootricError, PassingError):
    """A call that must not be repeated was sent, and no answer came: Wootric may have done it."""

    def __init__(self, message: str, *, may_be_under_way: bool = False) -> None:
        """Describe what came in place of an answer.

        Args:
            message: the message for a person.
            may_be_under_way: whether Wootric may still be at work on the call, since it was this side or a
                gateway that stopped waiting.
        """
        super().__init__(message)
        self.may_be_under_way = may_be_under_way


class CallFailedError(WootricError, RecordError):
    """Wootric answered that it will not do this; trying again would not help."""

    def __init__(self, code: str, message: str, status: int | None, body: str | None) -> None:
        """Describe the answer.

        Args:
            code: a code of `Failure`.
            message: the message for a person.
            status: the HTTP status; None if the answer is not Wootric's.
            body: the text of the answer.
        """
        super().__init__(message)
        self.code = code
        self.status = status
        self.body = body

    @property
    def failure(self) -> "Failure":
        """The failure of the delivery."""
        from wootric_map.model import Failure

        return Failure(self.code, str(self), self.status, self.body)


class ServerFaultError(CallFailedError, PassingError):
    """Wootric failed; the same call may work later."""

    retry_after = 0.0
    """In how many seconds Wootric asked to be called again; 0 where it did not say."""


class TooFastError(CallFailedError, PassingError):
    """The call was over the limit; the pace knows until when."""


class GzipError(RecordError):
    """A gzip file is cut short or corrupt; its contents up to there were read before."""


def is_of_disk(error: Exception) -> bool:
    """Return whether an exception says that the disk, or another output, can't be used."""
    # By name, since importing SQLite would slow every start.
    return isinstance(error, OSError) or type(error).__qualname__ == "OperationalError"


def exit_code_of(error: Exception) -> int:
    """Return the exit code of a run that an exception ends."""
    if is_of_disk(error):
        return EXIT_UNREACHABLE
    return error.exit_code if isinstance(error, ReplayError) else EXIT_UNFORESEEN
