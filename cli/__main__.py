"""`python -m cli` is `wootric-replay`."""

from cli.app import main

main()
