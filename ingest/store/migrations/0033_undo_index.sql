-- Not in a transaction: imports go on while indexes are built.
--
-- The undos of a profile, which are few.

CREATE INDEX IF NOT EXISTS imports_undoes
    ON ONLY imports (database_id, profile_id)
    WHERE undoes IS NOT NULL;

SELECT unnest(ARRAY[
           format('DROP INDEX CONCURRENTLY IF EXISTS %I', day.relname || '_undoes_idx'),
           format('CREATE INDEX CONCURRENTLY %I ON %I'
                  ' (database_id, profile_id)'
                  ' WHERE undoes IS NOT NULL',
                  day.relname || '_undoes_idx', day.relname),
           format('ALTER INDEX imports_undoes ATTACH PARTITION %I',
                  day.relname || '_undoes_idx')])
  FROM pg_inherits AS of_imports
  JOIN pg_class AS day ON day.oid = of_imports.inhrelid
 WHERE of_imports.inhparent = 'imports'::regclass
   AND NOT EXISTS (
       SELECT FROM pg_inherits AS of_index
         JOIN pg_index ON pg_index.indexrelid = of_index.inhrelid
        WHERE of_index.inhparent = 'imports_undoes'::regclass
          AND pg_index.indrelid = day.oid)
 ORDER BY day.relname;
