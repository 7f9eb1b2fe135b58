"""How the pipeline is doing: one reader of streams and Postgres for every view."""
