"""Messages and what people wrote."""
