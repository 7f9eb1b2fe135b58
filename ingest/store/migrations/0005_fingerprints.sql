-- Which request a named import came of (0004): another request under the same name must
-- not be told its outcome. None where the producer gave no name.
ALTER TABLE imports ADD COLUMN fingerprint text;
