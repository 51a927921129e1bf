"""These pages show what people asked to be notified of, and let operators decide what is sent."""
