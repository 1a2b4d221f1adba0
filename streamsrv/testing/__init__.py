"""For tests: fakes of every stage, and whole conversations simulated in virtual time. See `docs/testing.md`."""
