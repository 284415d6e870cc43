"""What operators see of a service: stages, metrics, logs, the slowest requests, traces."""
