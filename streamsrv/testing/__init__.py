"""Fakes of every stage and a simulator of whole conversations, for tests. See `docs/testing.md`."""
