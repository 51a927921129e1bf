"""Accounts, the audit log and settings."""
