-- The W3C trace context of the import that caused an event, for whoever is told of it.
ALTER TABLE events ADD COLUMN traceparent text;
