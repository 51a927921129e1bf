"""This package is persistence: engines, transactions, tables, encrypted columns and their keys, the
audit log."""
