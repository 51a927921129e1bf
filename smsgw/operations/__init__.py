"""This package is background work: queue, jobs, worker, clock, retention, metrics."""
