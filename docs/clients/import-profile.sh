#!/bin/sh
# Imports a profile with curl, which repeats by itself what may be repeated: it waits as
# Retry-After says, and the Idempotency-Key makes a repeat the same import.
# Prints the answer; exits 1 when it tells of an error.
set -eu
key=${1:-order-1017}    # names this import: the same at every attempt

answer=$(curl --silent --show-error --fail --max-time 30 \
    --retry 5 --retry-all-errors --retry-max-time 120 \
    --header "Authorization: Bearer $PENSTOCK_TOKEN" \
    --header "Content-Type: application/json" \
    --header "Idempotency-Key: $key" \
    --data-binary @- "$PENSTOCK_URL/api/v1.1/profiles/import" <<END
{"db_id": ${PENSTOCK_DB:-1}, "email": "ada@example.com",
 "data": {"_fname": "Ada", "points": {"action": "incr", "value": 10}}}
END
)
printf '%s\n' "$answer"
case $answer in
    *'"error":0,'*) ;;
    *) exit 1 ;;
esac
