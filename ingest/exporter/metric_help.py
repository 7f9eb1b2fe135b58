"""Advice for each metric, for docs/metrics.md."""

from collections.abc import Mapping

#: In the order of the page.
SECTIONS: Mapping[str, Mapping[str, str]] = {
    "Intake": {
        "penstock_accepted_total": "If it falls to 0 in working hours, check the "
        "producers, then `penstock_refused_total` and `penstock_requests_total`.",
        "penstock_refused_total": "Check the `code`. 429: back-pressure, check the "
        "backlog. 503: Redis or the catalog is unavailable. 401 and 403: API tokens. "
        "Other 4xx: the producer.",
        "penstock_requests_total": "A status of 500 or more is an internal error or "
        "an unavailable server. Search the intake's log for the `Correlation-Id`.",
        "penstock_intake_seconds": "It includes the wait for the outcome. Compare "
        "`penstock_accepted_to_processed_seconds`. If that is low, the disk of Redis "
        "or the CPU of the intake is slow; add intakes.",
        "penstock_append_batch_size": "A large batch is good: many requests share one "
        "round trip. If it is always 1 under load, requests arrive one after another.",
        "penstock_doorbells_total": "`failed`: Redis refuses Celery messages. The "
        "sweep sends another doorbell within a second.",
    },
    "Queue": {
        "penstock_waiting": "If it grows, more imports are accepted than applied. "
        "Find the slow stage with `penstock_stage_seconds`, then add workers.",
        "penstock_waiting_bulk": "Files and large batches are being imported. The live "
        "lane goes before these.",
        "penstock_oldest_live_accepted_timestamp_seconds": "Its age is the delay of "
        "the live lane. If it rises, the keys of these imports wait in the bulk lane, "
        "or the workers are overloaded.",
        "penstock_dry_runs_waiting": "If it does not fall, no upkeep worker runs, or "
        "Postgres is unavailable. At 200, further dry runs are answered 429.",
        "penstock_oldest_accepted_timestamp_seconds": "Its age is the delay of the "
        "data. If the age rises steadily, no drain makes progress: check the workers' "
        "log, then Postgres.",
        "penstock_time_to_drain_seconds": "If it is infinite, the backlog does not "
        "shrink. Add workers, or slow the producers down.",
        "penstock_drained_timestamp_seconds": "If it is old while imports wait, no "
        "batch is committed. Check that workers run, that they reach Postgres, and "
        "which session holds locks.",
        "penstock_heartbeat_applied_timestamp_seconds": "If it is older than a "
        "minute, beat, the upkeep worker, Redis, a drain, or Postgres makes no "
        "progress, with or without imports.",
        "penstock_attempts": "If it rises, the first entry of the partition fails "
        "each time. `penstock doctor` names it; `penstock dead-letters add` moves it "
        "to the dead letters.",
        "penstock_heartbeat_seconds": "It is the time that an import would have "
        "taken. If it is high without a backlog, doorbells are lost, or transactions "
        "are slow.",
        "penstock_tasks_waiting": "If it grows, no worker reads the queue `drains` or "
        "`upkeep`.",
    },
    "Outcomes": {
        "penstock_processed_total": "If `rejected` rises, check the `code`, then run "
        "`SELECT error_text, count(*) FROM imports WHERE error <> 0 GROUP BY 1`.",
        "penstock_processed_by_door_total": "It shows which input brings the rejected "
        "imports.",
        "penstock_processed_by_database_total": "It shows whose imports are rejected.",
        "penstock_processed_by_matching_total": "It shows by which key imports are "
        "matched.",
        "penstock_conflicts_total": "If it rises, a database has duplicates. Match by "
        "a better key, or declare the field unique.",
        "penstock_ambiguous_chosen_total": "If it rises, a database has duplicates. "
        "`penstock imports show` lists the candidates of an import.",
        "penstock_accepted_to_processed_seconds": "It is the time in the stream and "
        "in a batch. `penstock_stage_seconds` has the time in the batch.",
        "penstock_orphan_keys_total": "Match keys do not fit their profiles, after a "
        "repair by SQL or an upgrade of a library. To fix them: `penstock keys "
        "rebuild`.",
        "penstock_undone_paths_total": "Imports are undone. `penstock imports show` "
        "lists the kept values of an undo and why.",
        "penstock_kept_total": "Older data arrives late, or a source of lower rank "
        "sends. `penstock imports show` lists what an import did not write.",
        "penstock_consent_protected_total": "Imports try to raise opt-outs without a "
        "valid basis. To list them: `penstock imports list --protected`. Fix the "
        "producer, or let it send the basis.",
        "penstock_consent_raised_total": "People subscribe again. `penstock consent "
        "show` shows each basis.",
        "penstock_suppressed_total": "Imports bring contacts of suppression lists. "
        "`penstock imports show` names the list; `penstock suppression check` shows "
        "the entry.",
        "penstock_confirmations": "`expired` links stay counted for 30 days. Many: the "
        "receiver of `confirmation_requested` sends no mail, or people do not read it.",
        "penstock_confirmations_total": "Many `expired`: people open links late, or "
        "after an opt-out. Many `invalid`: PENSTOCK_SECRET is not the same for all "
        "processes, or links are guessed.",
        "penstock_segment_moves_total": "Time, or a build, moves profiles in and out "
        "of dynamic segments. `penstock segment list` shows the builds.",
        "penstock_events_skipped_total": "A trigger with `once` or `every` has fired "
        "for the profile before, or the profile no longer fulfills the condition of "
        "one with `recheck`: this event is not sent.",
        "penstock_segment_mismatches": "More than 0: run `penstock segment audit`, "
        "then `penstock segment rebuild`.",
        "penstock_merges_total": "Operators merge profiles, or part them. `penstock "
        "profiles show` lists the former IDs of a profile.",
        "penstock_largest_survivor_profiles": "If it rises, one profile takes over "
        "many others, likely by a value that several people share. List that value in "
        "`merge_blocked` of the database, and undo the wrong merges.",
        "penstock_deliveries_withdrawn_total": "Imports were undone before their "
        "events were sent: their receivers never see them.",
        "penstock_dry_runs_total": "Producers test their requests. No profile changes.",
        "penstock_dead_letters_total": "The log has `import failed` with the error "
        "class. `penstock dead-letters show` prints the traceback and the payload.",
        "penstock_ledger_imbalance": "More than 0: imports are lost. `penstock audit` "
        "lists them; their producers must send them again.",
        "penstock_held": "Run `penstock held list`, or open *Held* in the console, and "
        "decide.",
        "penstock_oldest_held_accepted_timestamp_seconds": "No decision: two days "
        "before its receipt expires, a held import is rejected.",
        "penstock_suppression_entries": "It grows with opt-outs and deletions where "
        "the catalog declares it, and by imports of lists.",
        "penstock_suppression_work": "It should return to 0. If it stays, no upkeep "
        "worker runs: check `penstock doctor`. A scan of a million profiles takes a "
        "minute or two.",
        "penstock_segment_builds": "`penstock segment list` shows the progress and the "
        "time left.",
        "penstock_oldest_segment_move_due_timestamp_seconds": "Older than a minute: no "
        "upkeep worker runs, or a segment is being built.",
        "penstock_people_search_caught_up_timestamp_seconds": "Older than a minute: no "
        "upkeep worker runs, or a transaction has been open for as long.",
        "penstock_dead_letters_open": "These imports were accepted and are not "
        "applied. Run `penstock dead-letters list`, then replay or discard them.",
    },
    "Workers": {
        "penstock_batch_size": "At its limit (`PENSTOCK_BATCH_SIZE`), the workers "
        "process a backlog. If it is small, there is little work.",
        "penstock_drain_seconds": "Its sum per second and process is the share of "
        "busy time. If it is near 1, add workers.",
        "penstock_stage_seconds": "`read` and `settle` depend on Redis; `load` and "
        "`commit` on Postgres (locks, missing statistics, disk); `merge` and `write` "
        "on the worker's CPU.",
        "penstock_batches_repeated_total": "`unique value`: two partitions wrote the "
        "same key at the same time; harmless if rare. `failed`, `halved`: a failing "
        "import is being isolated. `deferred`: see `penstock_imports_deferred_total`.",
        "penstock_imports_deferred_total": "Rows of one request reach the same "
        "profiles in several partitions. This is harmless, and slower than rows that "
        "do not.",
        "penstock_tasks_retried_total": "Postgres or Redis was unavailable, or ended "
        "a deadlock; the task runs again. If there are many, check that server.",
        "penstock_retention_refused_total": "The clock of a host is wrong, or nothing "
        "was applied for an hour; `penstock doctor` reports which. Until it is fixed, "
        "the disk fills.",
        "penstock_processes": "If there are fewer than configured, check the workers' "
        "log and the memory of the host.",
        "penstock_process_starts_total": "If it rises fast, processes end early. "
        "Check the log, and the kernel log for the out-of-memory killer.",
        "penstock_peak_memory_bytes": "If it rises without end, there is a leak. "
        "Children are recycled after 10,000 tasks.",
        "penstock_catalog_reloads_total": "Each change of the catalog or a token "
        "causes a reload. If there are many, a program applies the catalog in a loop.",
        "penstock_geo_lookups_total": "`failed`: the file of `GEOIP_DATABASE` is "
        "missing or broken, and `detect_geo` adds nothing.",
    },
    "Servers": {
        "penstock_redis_up": "0: imports are refused; accepted imports are safe. "
        "Start Redis.",
        "penstock_redis_round_trip_seconds": "If it is slow, check the disk of Redis "
        "(every append is synced), its CPU, and the network.",
        "penstock_redis_clients": "If it rises without end, a program leaks "
        "connections.",
        "penstock_redis_memory_bytes": "Near the limit: reduce the backlog, or raise "
        "`maxmemory`. If memory is full, the intake returns 503.",
        "penstock_redis_memory_limit_bytes": "0: no limit, so the kernel may end "
        "Redis first. Set a limit.",
        "penstock_redis_noeviction": "0: set `maxmemory-policy noeviction` "
        "immediately. Otherwise Redis may evict accepted imports.",
        "penstock_redis_evicted_keys_total": "Accepted imports may be lost: see"
        " `penstock_redis_noeviction`.",
        "penstock_redis_aof_enabled": "0: accepted imports do not survive a restart "
        "of Redis. Set `appendonly yes` and `appendfsync always`.",
        "penstock_redis_aof_write_ok": "0: the disk of Redis is full or broken. Redis "
        "refuses writes until it can sync again.",
        "penstock_redis_rdb_save_ok": "0: Redis may refuse writes; its log has the "
        "cause.",
        "penstock_postgres_up": "0: imports are accepted and wait. Start Postgres.",
        "penstock_postgres_round_trip_seconds": "If it is slow, check the network and "
        "the CPU of the server.",
        "penstock_postgres_connections": "Near the limit, processes cannot connect.",
        "penstock_postgres_connection_limit": "Raise `max_connections` before the "
        "connections reach it.",
        "penstock_postgres_lock_waits": "If it lasts, run `SELECT * FROM "
        "pg_stat_activity WHERE wait_event_type = 'Lock'`, and find the blocking "
        "session.",
        "penstock_postgres_deadlocks_total": "After a deadlock the batch runs again. "
        "If there are many, another program writes Penstock's tables in a different "
        "order.",
        "penstock_postgres_database_bytes": "If the disk fills, shorten "
        "`PENSTOCK_RECEIPT_DAYS`, or use a larger disk.",
        "penstock_postgres_oldest_transaction_timestamp_seconds": "If it is hours "
        "old, vacuum cannot clean up. Find the transaction in `pg_stat_activity` and "
        "end it.",
        "penstock_catalog_version": "It changes with the catalog and the tokens; the "
        "dashboards mark each change.",
        "penstock_exporter_read_seconds": "Near 2: the server responds slowly. After "
        "2 seconds it counts as down.",
    },
    "Side effects": {
        "penstock_deliveries_total": "`failed` deliveries are not retried any more. "
        "Run `SELECT error, count(*) FROM delivery_attempts GROUP BY 1`, then "
        "`penstock endpoint enable ID --retry-failed`.",
        "penstock_delivery_seconds": "A slow endpoint delays only its own deliveries. "
        "Inform its operator.",
        "penstock_undelivered": "If it grows, the endpoint is down or slow. "
        "Deliveries are retried for three days. It is counted up to 20,000.",
        "penstock_oldest_undelivered_timestamp_seconds": "If it is days old, these "
        "deliveries will soon fail for good.",
        "penstock_delivery_batches_total": "An endpoint with `batch` gets events. "
        "`delivered` deliveries divided by it is the number of events in a batch.",
        "penstock_endpoints_disabled_total": "An endpoint returned 410 Gone, or every "
        "attempt failed for the time in `disable_after`. `penstock endpoint list` "
        "shows which one.",
        "penstock_endpoint_disabled": "1: the endpoint gets no events. When it is "
        "available again: `penstock endpoint enable ID`.",
        "penstock_endpoint_failures": "If it rises, the receiver keeps failing; its "
        "pauses get longer.",
    },
}
