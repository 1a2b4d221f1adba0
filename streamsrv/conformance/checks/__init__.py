"""The checks, one module for each group."""

from streamsrv.conformance.checks import errors, items, responses, sessions, speech

ALL = [*sessions.checks.all, *errors.checks.all, *items.checks.all, *responses.checks.all, *speech.checks.all]
"""All checks, in the order in which they run."""
