"""These pages show messages and search their texts."""
