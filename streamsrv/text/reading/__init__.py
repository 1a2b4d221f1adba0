"""Reads numbers, dates, money, units, addresses and symbols out, in many languages. Pure."""
