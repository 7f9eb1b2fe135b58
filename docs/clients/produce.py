"""Sends an import through the Redis stream that `penstock consume` reads.

The `feedback_id` names the import: sent again under it, it is applied once. What came
of it is an entry of the stream of results.
"""

import json
import os
import sys

import redis

FEEDBACK_ID = "order-1017"

client = redis.Redis.from_url(os.environ["PENSTOCK_QUEUE"])
seen = client.xrevrange("database_import_result", count=1)
last = seen[0][0] if seen else "0-0"

message = {
    "account_id": 1,
    "db_id": int(os.environ.get("PENSTOCK_DB", "1")),
    "email": "ada@example.com",
    "feedback_id": FEEDBACK_ID,
    "data": {"_fname": "Ada", "points": {"action": "incr", "value": 10}},
}
client.xadd("database_import", {"message": json.dumps(message)})

while told := client.xread({"database_import_result": last}, block=30_000):
    for entry_id, fields in told[0][1]:
        last = entry_id
        result = json.loads(fields[b"message"])
        if result["feedback_id"] != FEEDBACK_ID:
            continue
        if result["error"]:
            sys.exit(f"{result['error']}: {result['error_text']}")
        sys.stdout.write(f"{result['profile_id']}\n")
        sys.exit()
sys.exit("no result within 30 seconds: does `penstock consume` run?")
