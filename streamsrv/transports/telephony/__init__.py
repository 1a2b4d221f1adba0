"""Telephone calls: their audio from telephone providers, a PBX or SIP, and the sessions that answer them."""
