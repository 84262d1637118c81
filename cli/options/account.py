"""Options about the account, and how to sign in to it."""

import click

from cli.options.types import Bare, Text, together

account_options = together(
    click.option(
        "--base-url",
        type=Text(),
        envvar="WOOTRIC_BASE_URL",
        metavar="URL",
        help="One host for all of Wootric's services, in place of the region's.  [env: WOOTRIC_BASE_URL]",
    ),
    click.option(
        "--account-token",
        type=Bare(),
        envvar="WOOTRIC_ACCOUNT_TOKEN",
        metavar="NPS-…",
        help="The account; its region picks the addresses.  [env: WOOTRIC_ACCOUNT_TOKEN]",
    ),
)
"""The account and its address."""


credential_options = together(
    click.option(
        "--password-file",
        metavar="FILE",
        help="The file that holds the password; - asks for it.  [env: WOOTRIC_PASSWORD]",
    ),
    click.option(
        "--username",
        type=Bare(),
        envvar="WOOTRIC_USERNAME",
        metavar="EMAIL",
        help="A person's login, in place of a client.  [env: WOOTRIC_USERNAME]",
    ),
    click.option(
        "--client-secret-file",
        metavar="FILE",
        help="The file that holds the secret; - asks for it.  [env: WOOTRIC_CLIENT_SECRET]",
    ),
    click.option(
        "--client-id",
        type=Bare(),
        envvar="WOOTRIC_CLIENT_ID",
        metavar="ID",
        help="The API client to sign in as.  [env: WOOTRIC_CLIENT_ID]",
    ),
)
"""The login; secrets come from the environment, a file or a prompt."""
