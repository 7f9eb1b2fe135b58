-- Finishes an upgrade: workers of the release before 0028 read a history by time.

DROP INDEX imports_history;
