"""Options about the journal of what was delivered."""

import click

from cli.options.types import LocalPath, Seconds, together

journal_option = click.option(
    "--journal",
    type=LocalPath(),
    metavar="FILE",
    help="The journal of what was delivered.  [default: one an account, in your state folder]",
)
"""The option that names the journal."""


journal_options = together(
    click.option(
        "--wait",
        type=Seconds(or_none=True),
        default="0",
        metavar="SECONDS",
        help="Wait so long for a run that is at work on the account; else exit with 6 at once.",
    ),
    click.option(
        "--in-doubt",
        type=click.Choice(["skip", "resend"]),
        default="skip",
        show_default=True,
        help="What becomes of eligibility checks and page views that were sent and got no answer: sent "
        "again, they may count twice.",
    ),
    click.option(
        "--again",
        is_flag=True,
        help="Send what the journal says is delivered once more. Values that a later identify has "
        "replaced stay as they are all the same; `journal forget` is the way to begin anew.",
    ),
    journal_option,
)
"""How earlier runs count, and how long to wait for another run."""
