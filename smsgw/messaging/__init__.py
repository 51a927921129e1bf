"""This package is a message's path: inbox, decision, limits, composer, outbox, sender,
reconciliation."""
