"""Imports a profile with httpx: retries that can do no harm, and a clear error."""

import os
import random
import sys
import time

import httpx

ATTEMPTS = 6


class ImportFailed(Exception):
    """Penstock refused the import; sending it again would not help."""


def import_profile(client: httpx.Client, document: dict[str, object], key: str) -> str:
    """Import `document`; return the profile's id, or the import's where it waits.

    `key` names this import and is the same at every attempt, so that it is applied
    once however often it arrives. Raises ImportFailed, or what httpx raised last.
    """
    for attempt in range(1, ATTEMPTS + 1):
        pause = random.uniform(0.5, 1) * 2**attempt / 4
        try:
            response = client.post(
                "/api/v1.1/profiles/import",
                json=document,
                headers={"Idempotency-Key": key},
            )
            if response.status_code == 429 or response.status_code >= 500:
                pause = max(pause, float(response.headers.get("Retry-After", 0)))
                response.raise_for_status()
        except httpx.HTTPError:
            if attempt == ATTEMPTS:
                raise
            time.sleep(pause)
            continue
        answer = response.json()
        if answer["error"]:
            raise ImportFailed(f"{answer['error']}: {answer['error_text']}")
        # 202: it is safe and will be applied; GET its Location for the receipt.
        return str(answer.get("profile_id") or answer["import_id"])
    raise AssertionError("every attempt returns or raises")


if __name__ == "__main__":
    with httpx.Client(
        base_url=os.environ["PENSTOCK_URL"],
        headers={"Authorization": f"Bearer {os.environ['PENSTOCK_TOKEN']}"},
        timeout=30,
    ) as penstock:
        try:
            profile_id = import_profile(
                penstock,
                {
                    "db_id": int(os.environ.get("PENSTOCK_DB", "1")),
                    "email": "ada@example.com",
                    "data": {
                        "_fname": "Ada",
                        "points": {"action": "incr", "value": 10},
                    },
                },
                key="order-1017",
            )
        except ImportFailed as error:
            sys.exit(str(error))
    sys.stdout.write(f"{profile_id}\n")
