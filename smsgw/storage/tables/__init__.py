"""Declares the tables that this system writes, by subject, and the scheme's own ledger.

Phones, NIKs and NKPs in service tables are a keyed hash (to find by) and ciphertext (to read by);
texts are ciphertext. Instants are aware UTC. Importing this package defines all service tables.
"""

from smsgw.storage.tables import cases, counts, messages, notifications, operators, phones, security

__all__ = ["cases", "counts", "messages", "notifications", "operators", "phones", "security"]
