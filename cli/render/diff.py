"""The diff of a dry run: what is shown of each end user's change."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from cli.render import quick_change
from cli.render.change import as_json as line_of
from cli.render.change import as_text, redacted
from wootric_map.diff import EndUserChange, ShapedChange
from wootric_map.model import Action

if TYPE_CHECKING:
    from wootric_map.redaction.redaction import Redaction, Told


class Shown(NamedTuple):
    """What is shown of an end user that would be created or updated."""

    action: Action
    """What is done: `create`, `update`, or nothing but `surveys_off`."""
    text: str | None
    """The change as text; None if that is not shown."""
    line: bytes | None
    """The change as a line of JSON; None if that is not shown."""
    told: "Sequence[Told]" = ()
    """The values that are redacted in it, to be redacted in all that follows."""


def shown(
    changed: EndUserChange, *, redaction: "Redaction | None", texts: bool, lines: bool
) -> Shown:
    """Return what is shown of one end user's change.

    Args:
        changed: the change.
        redaction: the redaction, if one is asked for.
        texts: whether it is shown as text.
        lines: whether it is shown as a line of JSON.
    """
    if isinstance(changed, ShapedChange) and not redaction:
        return Shown(
            "create",
            quick_change.as_text(changed) if texts else None,
            quick_change.as_json(changed) if lines else None,
        )
    told: Sequence[Told] = ()
    if redaction:
        of_record = redaction.of_a_record()
        changed = redacted(changed, of_record)
        told = of_record.told or ()
    text = as_text(changed) if texts else None
    return Shown(changed.action, text, line_of(changed) if lines else None, told)
