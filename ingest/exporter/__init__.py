"""Metrics for Prometheus: counts of every process, and the state of the servers."""
