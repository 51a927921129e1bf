"""Edits what replies and deadlines refer to: offices, rates, contacts and holidays."""
