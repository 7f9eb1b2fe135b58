-- Not in a transaction: imports go on while indexes are built.
--
-- The receipts of changes in the order of turns, for what follows them.

CREATE INDEX IF NOT EXISTS imports_changed
    ON ONLY imports (turn)
    WHERE profile_id IS NOT NULL AND state <> 'unchanged';

SELECT unnest(ARRAY[
           format('DROP INDEX CONCURRENTLY IF EXISTS %I', day.relname || '_changed_idx'),
           format('CREATE INDEX CONCURRENTLY %I ON %I (turn)'
                  ' WHERE profile_id IS NOT NULL AND state <> ''unchanged''',
                  day.relname || '_changed_idx', day.relname),
           format('ALTER INDEX imports_changed ATTACH PARTITION %I',
                  day.relname || '_changed_idx')])
  FROM pg_inherits AS of_imports
  JOIN pg_class AS day ON day.oid = of_imports.inhrelid
 WHERE of_imports.inhparent = 'imports'::regclass
   AND NOT EXISTS (
       SELECT FROM pg_inherits AS of_index
         JOIN pg_index ON pg_index.indexrelid = of_index.inhrelid
        WHERE of_index.inhparent = 'imports_changed'::regclass
          AND pg_index.indrelid = day.oid)
 ORDER BY day.relname;
