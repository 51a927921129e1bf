"""Any aggregator with an HTTP interface, as a YAML file describes it (docs/adding.md)."""
