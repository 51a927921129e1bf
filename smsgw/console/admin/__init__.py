"""These pages show accounts, the audit log and settings."""
