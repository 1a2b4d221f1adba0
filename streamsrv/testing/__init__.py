"""For tests of streamsrv and of what is built on it: fakes of every stage, and conversations simulated in virtual time."""
