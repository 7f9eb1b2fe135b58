<?php
// Verifies an event of Penstock with PHP 8, and prints it.
declare(strict_types=1);

const TOLERANCE_SECONDS = 300;

/** Say whether $body, as it was received, is from Penstock, and recent. */
function verify(string $secret, string $messageId, string $timestamp, string $signatures, string $body): bool
{
    // A message that somebody recorded is not accepted later.
    if (!ctype_digit($timestamp) || abs(time() - (int) $timestamp) > TOLERANCE_SECONDS) {
        return false;
    }
    $key = base64_decode(preg_replace('/^whsec_/', '', $secret));
    $signed = "$messageId.$timestamp.$body";
    $expected = 'v1,' . base64_encode(hash_hmac('sha256', $signed, $key, binary: true));
    // Several, while a secret is replaced.
    foreach (explode(' ', $signatures) as $signature) {
        if (hash_equals($expected, $signature)) {
            return true;
        }
    }
    return false;
}

/** Return the events of a message, which may be a batch. */
function listEvents(array $message): array
{
    return $message['type'] === 'batch' ? $message['data'] : [$message];
}

// A server has these from the headers of a POST: webhook-id, webhook-timestamp, and
// webhook-signature; the body is in php://input.
$body = file_get_contents('php://stdin');
if (!verify(getenv('WEBHOOK_SECRET'), getenv('WEBHOOK_ID'), getenv('WEBHOOK_TIMESTAMP'), getenv('WEBHOOK_SIGNATURE'), $body)) {
    fwrite(STDERR, "Refused: answer 400\n");
    exit(1);
}
foreach (listEvents(json_decode($body, true, flags: JSON_THROW_ON_ERROR)) as $event) {
    echo $event['type'], ' ', $event['data']['event_id'], "\n";
}
