"""Collects what is held of the person who uses a phone, for who asks for a copy."""
