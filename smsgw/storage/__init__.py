"""Persistence: engines, transactions, tables, encrypted columns and their keys, the audit log."""
