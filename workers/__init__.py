"""Celery workers: drain accepted imports into Postgres and deliver their events."""
