"""`python -m streamsrv`: the `streamsrv` command."""

from streamsrv.cli import main

main()
