-- Not in a transaction: imports go on while indexes are built. A statement that returns
-- rows returns statements, which are run one by one.
--
-- Every search that an import makes has one index that can serve it, so that its plan is
-- the same at any size of the tables, with statistics or without.

-- What an attempt that was broken off has left.
DROP INDEX CONCURRENTLY IF EXISTS subscriptions_contact_key;

-- For matching by subscription: email, phone and push modes.
CREATE INDEX CONCURRENTLY subscriptions_contact_key
    ON subscriptions (contact_key(database_id, channel, contact) COLLATE "C")
    WHERE contact_key(database_id, channel, contact) IS NOT NULL;

-- The latest imports are those of the latest `applied_at`, of which a batch has one.
-- With `import_id` behind it, as in imports_applied, it could also serve, badly, to find
-- a receipt by its id.
CREATE INDEX IF NOT EXISTS imports_applied_at ON ONLY imports (applied_at);

SELECT unnest(ARRAY[
           format('DROP INDEX CONCURRENTLY IF EXISTS %I', day.relname || '_applied_at_idx'),
           format('CREATE INDEX CONCURRENTLY %I ON %I (applied_at)',
                  day.relname || '_applied_at_idx', day.relname),
           format('ALTER INDEX imports_applied_at ATTACH PARTITION %I',
                  day.relname || '_applied_at_idx')])
  FROM pg_inherits AS of_imports
  JOIN pg_class AS day ON day.oid = of_imports.inhrelid
 WHERE of_imports.inhparent = 'imports'::regclass
   AND NOT EXISTS (
       SELECT FROM pg_inherits AS of_index
         JOIN pg_index ON pg_index.indexrelid = of_index.inhrelid
        WHERE of_index.inhparent = 'imports_applied_at'::regclass
          AND pg_index.indrelid = day.oid)
 ORDER BY day.relname;

DROP INDEX IF EXISTS imports_applied;

-- Only the removal of a segment used it, and to an import it looked as good as the
-- primary key.
DROP INDEX CONCURRENTLY IF EXISTS segment_members_segment;
