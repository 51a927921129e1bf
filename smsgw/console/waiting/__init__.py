"""People who wait for an officer."""
