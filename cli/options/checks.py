"""Options about what makes a check fail."""

import re
from collections.abc import Callable
from fractions import Fraction
from typing import Any, Final, TypeVar

import click

from cli.options.types import Count, LocalPath, together
from wootric_map.checks.thresholds import Limit
from wootric_map.codes import CODES, PAGES, nearest, pages_address

F = TypeVar("F", bound=Callable[..., Any])

_LIMIT: Final = re.compile(r"([0-9]{1,15})|([0-9]{1,3}(?:\.[0-9]{1,9})?)%", re.ASCII)
_WHOLE: Final = 100


class _Limit(click.ParamType[Limit]):
    """A number of records, or a share of all of them in percent."""

    name = "N|P%"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Limit:
        """Read a number, or a share of 100% at most."""
        if isinstance(value, Limit):
            return value
        matched = _LIMIT.fullmatch(str(value).strip())
        if matched is None or (matched[2] and Fraction(matched[2]) > _WHOLE):
            self.fail("write a number of records, such as 10, or a share, such as 1%", param, ctx)
        return Limit(Fraction(matched[1] or matched[2]), is_share=bool(matched[2]))


class _Code(click.ParamType[str]):
    """The code of a finding."""

    name = "CODE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Read a code, in any case."""
        name = str(value).strip().lower()
        if name not in CODES:
            near = nearest(name)
            hint = f"did you mean {near}?" if near else "no code is like it;"
            where = f"{pages_address() or PAGES} has them all"
            self.fail(f"{value!r} is no code of a finding: {hint} {where}", param, ctx)
        return name


baseline_option = click.option(
    "--baseline",
    type=LocalPath(),
    metavar="FILE",
    help="Findings that this file knows do not count; --write-baseline of validate or dry-run makes it.",
)

write_baseline_option = click.option(
    "--write-baseline",
    type=LocalPath(),
    metavar="FILE",
    help="Write all that is found to this file, as known; it does not count in this run either.",
)

threshold_options = together(
    baseline_option,
    click.option(
        "--min-records",
        type=Count(),
        metavar="N",
        help="Fail if there are fewer records.",
    ),
    click.option(
        "--fail-on",
        type=_Code(),
        multiple=True,
        metavar="CODE",
        help="Fail if there is any finding of this code: of a warning, or a record that is left out, too; "
        "may be given several times.",
    ),
    click.option(
        "--max-warnings",
        type=Count(),
        metavar="N",
        help="Fail if there are more different warnings.",
    ),
    click.option(
        "--max-rejected",
        type=_Limit(),
        metavar="N|P%",
        help="Fail only if more records are rejected, or a greater share of all, such as 1%.",
    ),
)
"""How much may be found."""
