"""The participant ledger: read through the handlers' port; filled from CSV."""
