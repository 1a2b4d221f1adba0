"""What all tests share."""

from hypothesis import settings

# A busy machine must not fail a test: how long things take belongs in benchmarks/.
settings.register_profile("without deadline", deadline=None)
settings.load_profile("without deadline")
