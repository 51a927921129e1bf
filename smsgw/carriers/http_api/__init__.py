"""Connects any aggregator with an HTTP interface, which a YAML file describes (docs/adding.md)."""
