"""Decides who may do what: authentication, client secrets, admission, and the session that a client opens."""
