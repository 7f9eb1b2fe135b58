-- {"field": {"name": rank}}: the sources of a field that rank otherwise there.
ALTER TABLE databases ADD COLUMN field_sources jsonb NOT NULL DEFAULT '{}';
