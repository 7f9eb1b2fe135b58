"""Deployment checks for `penstock doctor`."""
