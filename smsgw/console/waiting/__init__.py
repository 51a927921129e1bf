"""These pages show people who wait for an officer."""
