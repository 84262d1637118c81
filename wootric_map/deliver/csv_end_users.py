"""Which of the end users to write a CSV can hold, which names end users by email alone (wootric.md 8)."""

from typing import Final, Literal, TypeAlias, get_args

from wootric_map.deliver.fingerprints import Held
from wootric_map.model import EndUser, EndUserUpsert
from wootric_map.values.formulas import may_be_formula

CSV_ROWS: Final = 5_000
"""Rows of a CSV at most (wootric.md 8)."""

Omission: TypeAlias = Literal["no_email", "email_changes", "no_property_differs", "formula_email"]
"""Why an end user is not in a CSV:

- `no_email`: nothing but a phone or an id is known of them.
- `email_changes`: Wootric holds them with another email or none, so that the row would be of somebody new.
- `no_property_differs`: only their ids or their creation date differ, which a CSV can't hold.
- `formula_email`: a spreadsheet would take their email for a formula, and changed it would be another's.
"""

OMISSIONS: Final[tuple[Omission, ...]] = get_args(Omission)


def email_in_csv(wanted: EndUserUpsert, held: Held) -> str | None:
    """Return the email by which a CSV names an end user: Wootric's own spelling of it, if that is known."""
    return (held.email if isinstance(held, EndUser) else None) or wanted.email


def omission(
    wanted: EndUserUpsert, sent: EndUserUpsert, held: Held, *, keeps_formulas: bool = False
) -> Omission | None:
    """Return why an end user who is to be written is not in a CSV; None if they are in it.

    Args:
        wanted: all fields that the export states.
        sent: the fields that differ from those that Wootric holds.
        held: the end user as Wootric holds them; None if they are to be created.
        keeps_formulas: whether emails that a spreadsheet would take for formulas stay in the CSV.
    """
    email = email_in_csv(wanted, held)
    if not email:
        return "no_email"
    if held is not None:
        if wanted.email and not held.holds("email", wanted.email):
            return "email_changes"
        if not sent.properties:
            return "no_property_differs"
    return "formula_email" if may_be_formula(email) and not keeps_formulas else None


def csv_files(end_users: int, rows: int = CSV_ROWS) -> int:
    """Return how many CSV files so many end users take, with so many rows in each at most."""
    return -(-end_users // rows)
