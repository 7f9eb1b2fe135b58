"""What to do when a metric moves: a sentence for each, for docs/metrics.md."""

from collections.abc import Mapping

#: In the order of the page.
SECTIONS: Mapping[str, Mapping[str, str]] = {
    "Intake": {
        "penstock_accepted_total": "A fall to 0 in working hours: ask the producers,"
        " then look at `penstock_refused_total` and `penstock_requests_total`.",
        "penstock_refused_total": "By `code`: 429 is back-pressure, look at the queue;"
        " 503 is Redis or the catalogue; 401 and 403 are tokens; other 4xx the"
        " producer.",
        "penstock_requests_total": "Statuses of 500 and more are ours: the intake's"
        " log has their `Correlation-Id`.",
        "penstock_intake_seconds": "Callers wait for their outcome: compare"
        " `penstock_accepted_to_processed_seconds`. If that is low, Redis's disk or"
        " the intake's CPU is slow; add intakes.",
        "penstock_append_batch_size": "Large batches are good: many callers share one"
        " round trip. Always 1 under load: the callers come one after another.",
        "penstock_doorbells_total": "`failed`: Redis refuses Celery's messages; the "
        "sweep rings again within a second.",
    },
    "Queue": {
        "penstock_waiting": "Growing: more is accepted than applied. See which stage is"
        " slow (`penstock_stage_seconds`), then add workers.",
        "penstock_oldest_accepted_timestamp_seconds": "Its age is how late the data is."
        " Rising steadily: nothing drains; the workers' log, then Postgres.",
        "penstock_time_to_drain_seconds": "Infinite: the backlog does not shrink."
        " Add workers, or slow the producers down.",
        "penstock_drained_timestamp_seconds": "Old while imports wait: no drain gets"
        " through. Are workers up, can they reach Postgres, who holds a lock?",
        "penstock_heartbeat_applied_timestamp_seconds": "Older than a minute: beat,"
        " upkeep, Redis, a drain or Postgres stands still, whether or not anybody"
        " imports.",
        "penstock_attempts": "Rising: its first entry fails each time. `penstock "
        "doctor` names it; `penstock dead-letters add` puts it among the dead "
        "letters.",
        "penstock_heartbeat_seconds": "What an import would have taken; high while"
        " nothing waits: bells get lost, or the batch's transaction is slow.",
        "penstock_tasks_waiting": "Doorbells pile up: no worker takes them from the"
        " queue `drains`, or none from `upkeep`.",
    },
    "Outcomes": {
        "penstock_processed_total": "`rejected` rising: which `code`; then `SELECT"
        " error_text, count(*) FROM imports WHERE error <> 0 GROUP BY 1`.",
        "penstock_processed_by_door_total": "Tells which door brings the rejected.",
        "penstock_processed_by_database_total": "Tells whose imports are rejected.",
        "penstock_processed_by_matching_total": "Tells by which key they are matched.",
        "penstock_conflicts_total": "Duplicates in a database: match by a better key,"
        " or declare the field unique.",
        "penstock_accepted_to_processed_seconds": "The time in the queue and in a "
        "batch: `penstock_stage_seconds` has the batch's part of it.",
        "penstock_orphan_keys_total": "Match keys do not fit their profiles: a repair"
        " by SQL, or libraries of another version. `penstock keys rebuild` mends them.",
        "penstock_dead_letters_total": "A fault of ours: the log has `import died`"
        " with its class, `penstock dead-letters show` the traceback and the payload.",
        "penstock_ledger_imbalance": "More than 0: imports are lost. `penstock audit`"
        " names them; their producers have to send them again.",
        "penstock_dead_letters_open": "They were accepted, and are not applied:"
        " `penstock dead-letters list`, then replay or drop them.",
    },
    "Workers": {
        "penstock_batch_size": "At its limit (`PENSTOCK_BATCH_SIZE`): a backlog is"
        " worked off. Small: there is little to do.",
        "penstock_drain_seconds": "Its sum per second and process is how busy drains"
        " are; near 1, add workers.",
        "penstock_stage_seconds": "`read`, `settle`: Redis. `load`, `commit`: Postgres"
        " (locks, missing statistics, disk). `merge`, `write`: our own CPU.",
        "penstock_batches_repeated_total": "`unique value`: two partitions wrote the"
        " same key at once, harmless if rare. `failed`, `halved`: a dead letter is"
        " being singled out. `held`: see `penstock_imports_held_total`.",
        "penstock_imports_held_total": "Rows of one request share people across"
        " partitions: harmless, and slower than rows that share none.",
        "penstock_tasks_retried_total": "Postgres or Redis was away or ended a"
        " deadlock; the work is done again. Many: look at that server.",
        "penstock_retention_refused_total": "A host's clock is wrong, or nothing was"
        " applied for an hour; `penstock doctor` says which. The disk fills meanwhile.",
        "penstock_processes": "Fewer than configured: the workers' log, memory.",
        "penstock_process_starts_total": "Rising fast: something ends processes; the"
        " log, and the kernel's for its out-of-memory killer.",
        "penstock_peak_memory_bytes": "Rising without end: a leak; children are"
        " recycled after 10,000 tasks.",
        "penstock_catalog_reloads_total": "Each change of the catalogue or a token"
        " reloads it; many: something applies it in a loop.",
        "penstock_geo_lookups_total": "`failed`: the file of `GEOIP_DATABASE` is"
        " missing or broken, and `detect_geo` fills nothing.",
    },
    "Servers": {
        "penstock_redis_up": "0: nothing is accepted, nothing is lost. Start Redis.",
        "penstock_redis_round_trip_seconds": "Slow: its disk (every append is synced),"
        " its CPU, or the network.",
        "penstock_redis_clients": "Rising without end: somebody leaks connections.",
        "penstock_redis_memory_bytes": "Near the limit: the backlog. Drain it, or"
        " raise `maxmemory`; full, the intake answers 503.",
        "penstock_redis_memory_limit_bytes": "0 is no limit: the kernel would end"
        " Redis first. Set one.",
        "penstock_redis_noeviction": "0: set `maxmemory-policy noeviction` at once, or"
        " accepted imports may be evicted.",
        "penstock_redis_evicted_keys_total": "Accepted imports may be gone: see"
        " `penstock_redis_noeviction`.",
        "penstock_redis_aof_enabled": "0: what was accepted does not survive a restart."
        " Set `appendonly yes`, `appendfsync always`.",
        "penstock_redis_aof_write_ok": "0: its disk is full or broken; Redis refuses"
        " writes until it can sync again.",
        "penstock_redis_rdb_save_ok": "0: Redis may refuse writes; its log says why.",
        "penstock_postgres_up": "0: imports are accepted and wait. Start Postgres.",
        "penstock_postgres_round_trip_seconds": "Slow: the network, or a server that"
        " is short of CPU.",
        "penstock_postgres_connections": "Near the limit, processes cannot connect.",
        "penstock_postgres_connection_limit": "Raise `max_connections` when the"
        " connections come near.",
        "penstock_postgres_lock_waits": "Lasting: `SELECT * FROM pg_stat_activity"
        " WHERE wait_event_type = 'Lock'`, and who blocks them.",
        "penstock_postgres_deadlocks_total": "A batch was done again; many: somebody"
        " else writes our tables in another order.",
        "penstock_postgres_database_bytes": "The disk: shorten `PENSTOCK_RECEIPT_DAYS`,"
        " or get a larger one.",
        "penstock_postgres_oldest_transaction_timestamp_seconds": "Hours old: it keeps"
        " vacuum from cleaning up. Find it in `pg_stat_activity` and end it.",
        "penstock_catalog_version": "It moves with each change of the catalogue or a"
        " token: the dashboards mark it.",
        "penstock_exporter_read_seconds": "Near 2: that server is slow to answer; past"
        " it, it counts as down.",
    },
    "Side effects": {
        "penstock_deliveries_total": "`failed` events are given up: `SELECT error,"
        " count(*) FROM delivery_attempts GROUP BY 1`, then `penstock endpoint enable"
        " ID --retry-failed`.",
        "penstock_delivery_seconds": "Slow endpoints delay nobody but themselves; tell"
        " whoever runs them.",
        "penstock_undelivered": "Growing: the endpoint is down or slow; its deliveries"
        " are tried for three days. Counted up to 20,000.",
        "penstock_oldest_undelivered_timestamp_seconds": "Days old: these events will"
        " soon be given up.",
        "penstock_endpoint_disabled": "1: it answered 410 Gone. When it is back:"
        " `penstock endpoint enable ID`.",
        "penstock_endpoint_failures": "Its receiver fails again and again; its pauses"
        " grow with this.",
    },
}
