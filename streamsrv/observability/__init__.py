"""Tells an operator what the server does: log, metrics and traces."""
