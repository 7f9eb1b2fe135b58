"""Jobs: the rows of a whole file, accepted, watched, and what was rejected written."""
