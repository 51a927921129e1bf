"""This package is the participant ledger, read through the handlers' port and filled from CSV."""
