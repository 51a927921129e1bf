"""This package finds out what changed for people who asked to be notified, and queues what they are
told: by day, behind all answers, once."""
