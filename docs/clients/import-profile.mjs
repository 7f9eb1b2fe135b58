// Imports a profile with Node 18 or newer: retries that can do no harm, and a clear error.
import { setTimeout as sleep } from "node:timers/promises";

const ATTEMPTS = 6;

/** Penstock refused the import; sending it again would not help. */
class ImportFailed extends Error {}

/**
 * Import `document`; return the profile's id, or the import's where it waits. `key` names
 * this import and is the same at every attempt, so that it is applied once.
 */
async function importProfile(document, key) {
  for (let attempt = 1; ; attempt++) {
    let pause = ((0.5 + Math.random() / 2) * 2 ** attempt) / 4;
    try {
      const response = await fetch(`${process.env.PENSTOCK_URL}/api/v1.1/profiles/import`, {
        method: "POST",
        headers: {
          Authorization: `Bearer ${process.env.PENSTOCK_TOKEN}`,
          "Content-Type": "application/json",
          "Idempotency-Key": key,
        },
        body: JSON.stringify(document),
        signal: AbortSignal.timeout(30_000),
      });
      if (response.status === 429 || response.status >= 500) {
        pause = Math.max(pause, Number(response.headers.get("Retry-After") ?? 0));
        throw new Error(`HTTP ${response.status}`);
      }
      const answer = await response.json();
      if (answer.error) throw new ImportFailed(`${answer.error}: ${answer.error_text}`);
      // 202: it is safe and will be applied; GET its Location for the receipt.
      return answer.profile_id ?? answer.import_id;
    } catch (error) {
      if (error instanceof ImportFailed || attempt === ATTEMPTS) throw error;
      await sleep(pause * 1000);
    }
  }
}

try {
  const profileId = await importProfile(
    {
      db_id: Number(process.env.PENSTOCK_DB ?? 1),
      email: "ada@example.com",
      data: { _fname: "Ada", points: { action: "incr", value: 10 } },
    },
    "order-1017",
  );
  console.log(profileId);
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
