-- Of several profiles that match an import, the newest may be chosen; and what becomes
-- of an import for which its policy does not decide.
ALTER TABLE databases
    ADD COLUMN otherwise text NOT NULL DEFAULT 'reject',
    ADD CONSTRAINT otherwise_is_known CHECK (otherwise IN ('reject', 'hold')),
    DROP CONSTRAINT on_ambiguous_is_known,
    ADD CONSTRAINT on_ambiguous_is_known
        CHECK (on_ambiguous IN ('reject', 'first', 'oldest', 'newest', 'merge',
                                'hold'));

-- How many profiles a merge ended: what guards against merging everybody counts it.
ALTER TABLE merges ADD COLUMN absorbed integer NOT NULL DEFAULT 1;
UPDATE merges
   SET absorbed = counted.profiles - 1
  FROM (SELECT merge_id, count(*) AS profiles
          FROM merged_profiles
         GROUP BY merge_id) AS counted
 WHERE merges.merge_id = counted.merge_id
   AND counted.profiles > 2;
-- For what is past retention, as before, and for the survivors that took over most
-- lately, without reading the profiles that are kept.
CREATE INDEX merges_survivors
    ON merges (merged_at) INCLUDE (database_id, survivor_id, absorbed, undone_by);
DROP INDEX merges_merged_at;
