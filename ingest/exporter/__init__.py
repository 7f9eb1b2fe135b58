"""What Prometheus scrapes: every process's counts, and the state of the servers."""
