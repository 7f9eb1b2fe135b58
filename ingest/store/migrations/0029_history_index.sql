-- Not in a transaction: imports go on while indexes are built.
--
-- A profile's history in the order of turns. Receipts without a turn come first, and are
-- sorted by when they were applied as they are read.

CREATE INDEX IF NOT EXISTS imports_turn
    ON ONLY imports (database_id, profile_id, (coalesce(turn, 0)))
    WHERE profile_id IS NOT NULL;

SELECT unnest(ARRAY[
           format('DROP INDEX CONCURRENTLY IF EXISTS %I', day.relname || '_turn_idx'),
           format('CREATE INDEX CONCURRENTLY %I ON %I'
                  ' (database_id, profile_id, (coalesce(turn, 0)))'
                  ' WHERE profile_id IS NOT NULL',
                  day.relname || '_turn_idx', day.relname),
           format('ALTER INDEX imports_turn ATTACH PARTITION %I',
                  day.relname || '_turn_idx')])
  FROM pg_inherits AS of_imports
  JOIN pg_class AS day ON day.oid = of_imports.inhrelid
 WHERE of_imports.inhparent = 'imports'::regclass
   AND NOT EXISTS (
       SELECT FROM pg_inherits AS of_index
         JOIN pg_index ON pg_index.indexrelid = of_index.inhrelid
        WHERE of_index.inhparent = 'imports_turn'::regclass
          AND pg_index.indrelid = day.oid)
 ORDER BY day.relname;
