"""Periods and sessions as plain data, from the ledger."""
