"""Background work: queue, jobs, worker, clock, retention, metrics."""
