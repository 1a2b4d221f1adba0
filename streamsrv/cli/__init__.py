"""The `streamsrv` command."""
