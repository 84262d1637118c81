"""The codes of findings: what each stands for in a line, and where its page is."""

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib.metadata import PackageNotFoundError, metadata
from typing import Final, Literal, TypeAlias

Kind: TypeAlias = Literal["rejected", "failed", "warning", "skipped"]
"""What became of the record: it is wrong, was refused, was sent with a warning, or was left out."""

PAGES: Final = "docs/codes"
"""The folder of the pages, of which each is named for its code."""

_PAGES_URL: Final = "Codes"
"""The name of the project's address, in the metadata of the package, below which the pages stand."""


@dataclass(frozen=True, slots=True)
class Code:
    """A code that findings have."""

    name: str
    kinds: tuple[Kind, ...]
    """What becomes of a record with such a finding; `in_doubt` has two."""
    title: str
    """What is found, in a line."""


def _codes(kind: Kind, titles: Mapping[str, str]) -> dict[str, Code]:
    return {name: Code(name, (kind,), title) for name, title in titles.items()}


_REJECTED: Final = _codes(
    "rejected",
    {
        "invalid_json": "A line that is not JSON.",
        "line_too_long": "A line that is longer than the limit.",
        "not_an_object": "JSON that is no object.",
        "missing_type": "A record without a type.",
        "unknown_type": "A record whose type is no Segment call.",
        "missing_identity": "A record with neither userId nor anonymousId.",
        "missing_event": "A track record without the name of its event.",
        "invalid_traits": "Traits that are no object.",
        "invalid_properties": "Properties that are no object.",
        "invalid_context": "A context that is no object.",
        "invalid_integrations": "Integrations that are no object.",
        "invalid_timestamp": "A time that is none.",
        "invalid_score": "A survey response whose score is no whole number from 0 to 10.",
        "truncated_input": "A file that breaks off, or is corrupt.",
    },
)

_WARNINGS: Final = _codes(
    "warning",
    {
        "already_taken": "An id or email that another end user of the account has already.",
        "ambiguous_alias": "An id that aliases tie to several userIds.",
        "ambiguous_email": "An email that several people carry.",
        "ambiguous_external_id": "An external id that a trait states of several end users.",
        "ambiguous_user_id": "A userId that several people carry.",
        "amount_rounded": "A number that is rounded to a whole one.",
        "call_too_long": "A call whose address is longer than servers commonly take.",
        "consent_not_judged": "Consent by category, of which none is named that counts.",
        "future_timestamp": "A record whose time lies after it was received.",
        "implausible_created_at": "A creation date that can hardly be meant.",
        "integer_without_amount": "A whole number under a name that does not end in _amount.",
        "invalid_created_at": "A creation date that is none.",
        "invalid_email": "An email that is none.",
        "invalid_external_id": "A trait for the external id that is neither text nor an integer.",
        "invalid_opt_out": "A trait about surveys that is neither true nor false.",
        "invalid_phone": "A phone number that is none.",
        "key_collision": "Two keys that become one name.",
        "key_renamed": "A key with characters that Wootric does not take.",
        "list_without_array": "A list under a name that does not end in _array.",
        "message_id_reused": "A messageId that different messages have.",
        "mixed_types": "A property with numbers in some records and text in others.",
        "placeholder_id": "An id that stands for no id, such as undefined.",
        "secret_left_out": "A property whose name is that of a secret.",
        "shared_email": "An email that different userIds share.",
        "trailing_data": "Bytes behind the end of a gzip file.",
        "unsupported_value": "A value that can't be a property.",
        "wrong_type_for_suffix": "A value that does not fit the ending of its name.",
    },
)

_SKIPPED: Final = _codes(
    "skipped",
    {
        "already_there": "A survey response or decline that the account holds.",
        "consent_withheld": "A record whose user withholds consent.",
        "delivered_before": "A record that an earlier run has delivered.",
        "duplicate": "A message that was delivered twice.",
        "event_not_registered": "A track record whose event the account has not registered.",
        "filtered_out": "A record that options or rules leave out.",
        "integration_disabled": "A record that must not go to Wootric.",
        "known_reject": "A record that an earlier run could not send, and that is unchanged.",
        "no_group": "A group record that names no group.",
        "suppressed": "A record of somebody on a suppression list.",
        "unidentified": "A record that names no known end user.",
        "unsupported_type": "A screen or alias record; a group record without --group-traits.",
    },
)

_FAILED: Final = _codes(
    "failed",
    {
        "ambiguous_id": "A record of a saved plan with an id of several people.",
        "bad_reply": "A reply that makes no sense, or is about somebody else.",
        "end_user_failed": "A call that waited for one of its end user, which failed.",
        "redirected": "An address of Wootric's that leads elsewhere.",
        "refused": "A call that Wootric refuses.",
        "server_error": "A call at which Wootric fails.",
        "too_fast": "A call that Wootric finds too fast.",
        "too_many_in_a_second": "More end users of one second than can be listed.",
        "unreachable": "A call for which no connection came about.",
    },
)

_IN_DOUBT: Final = Code(
    "in_doubt", ("failed", "skipped"), "A call that was sent and never answered."
)

CODES: Final[Mapping[str, Code]] = {
    code.name: code
    for code in sorted(
        (
            *_REJECTED.values(),
            *_WARNINGS.values(),
            *_SKIPPED.values(),
            *_FAILED.values(),
            _IN_DOUBT,
        ),
        key=lambda each: each.name,
    )
}
"""Every code, by its name, in alphabetical order."""


def names(kind: Kind) -> tuple[str, ...]:
    """Return the names of the codes of a kind, in alphabetical order."""
    return tuple(name for name, code in CODES.items() if kind in code.kinds)


def title(code: str) -> str:
    """Return what a code stands for, in a line; the code itself if it has no entry."""
    return CODES[code].title if code in CODES else code


def nearest(name: str) -> str | None:
    """Return the code whose name is most like a misspelled one; None if none is like it."""
    found = get_close_matches(name.lower().replace("-", "_"), CODES, n=1)
    return found[0] if found else None


def page(code: str) -> str:
    """Return the address of a code's page; its place in a checkout if the project has no address."""
    return f"{pages_address() or PAGES}/{code}.md"


@cache
def pages_address() -> str | None:
    """Return the address below which the pages stand, by the metadata of the package; None for none."""
    try:
        found = metadata("wootric-replay").get_all("Project-URL") or []
    except PackageNotFoundError:
        return None
    named = dict(each.split(", ", 1) for each in found if ", " in each)
    address = named.get(_PAGES_URL)
    return address.rstrip("/") if address else None
