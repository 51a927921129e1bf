"""This package is a message's path: inbox, limits, composer, outbox, sender,
reconciliation."""
