"""Each version of the ledger's table."""
