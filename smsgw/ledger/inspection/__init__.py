"""Checks that a ledger which somebody else keeps is as docs/ledger.md says."""
