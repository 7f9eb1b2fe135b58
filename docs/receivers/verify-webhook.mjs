// Verifies an event of Penstock with Node's standard library, and prints it.
import { createHmac, timingSafeEqual } from "node:crypto";
import { readFileSync } from "node:fs";

const TOLERANCE_SECONDS = 300;

/** Say whether body (a Buffer, as it was received) is from Penstock, and recent. */
function verify(secret, messageId, timestamp, signatures, body) {
  // A message that somebody recorded is not accepted later.
  if (!/^[0-9]+$/.test(timestamp)) return false;
  if (Math.abs(Date.now() / 1000 - Number(timestamp)) > TOLERANCE_SECONDS) return false;
  const key = Buffer.from(secret.replace(/^whsec_/, ""), "base64");
  const expected = createHmac("sha256", key)
    .update(`${messageId}.${timestamp}.`)
    .update(body)
    .digest();
  // Several, while a secret is replaced.
  return signatures.split(" ").some((each) => {
    const [version, signature = ""] = each.split(",");
    const given = Buffer.from(signature, "base64");
    return (
      version === "v1" && given.length === expected.length && timingSafeEqual(given, expected)
    );
  });
}

/** Return the events of a message, which may be a batch. */
function listEvents(message) {
  return message.type === "batch" ? message.data : [message];
}

// A server has these from the headers of a POST: webhook-id, webhook-timestamp, and
// webhook-signature.
const { WEBHOOK_SECRET, WEBHOOK_ID, WEBHOOK_TIMESTAMP, WEBHOOK_SIGNATURE } = process.env;
const body = readFileSync(0);
if (!verify(WEBHOOK_SECRET, WEBHOOK_ID, WEBHOOK_TIMESTAMP, WEBHOOK_SIGNATURE, body)) {
  console.error("Refused: answer 400");
  process.exit(1);
}
for (const event of listEvents(JSON.parse(body))) {
  console.log(event.type, event.data.event_id);
}
