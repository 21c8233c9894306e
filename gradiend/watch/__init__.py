"""Live progress of an experiment, read from what its jobs leave behind: logs, benchmarks, evaluations."""
