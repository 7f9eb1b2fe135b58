"""Status of the pipeline: one reader of streams and Postgres for every view."""
