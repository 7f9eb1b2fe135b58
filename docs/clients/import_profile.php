<?php
// Imports a profile with PHP 8 and its curl extension: retries that can do no harm, and a clear error.
declare(strict_types=1);

const ATTEMPTS = 6;

/** Penstock refused the import; sending it again would not help. */
class ImportFailed extends Exception {}

/**
 * Import $document; return the profile's id, or the import's where it waits. $key names
 * this import and is the same at every attempt, so that it is applied once.
 */
function importProfile(array $document, string $key): string
{
    for ($attempt = 1; ; $attempt++) {
        [$status, $retryAfter, $body] = send($document, $key);
        if ($status !== 0 && $status !== 429 && $status < 500) {
            $answer = json_decode($body, true, flags: JSON_THROW_ON_ERROR);
            if ($answer['error'] !== 0) {
                throw new ImportFailed("{$answer['error']}: {$answer['error_text']}");
            }
            // 202: it is safe and will be applied; GET its Location for the receipt.
            return $answer['profile_id'] ?? $answer['import_id'];
        }
        if ($attempt === ATTEMPTS) {
            throw new RuntimeException("No answer that counts; the last was HTTP $status");
        }
        $pause = max($retryAfter, mt_rand(500, 1000) / 1000 * 2 ** $attempt / 4);
        usleep((int) ($pause * 1e6));
    }
}

/** Make one attempt; return its status (0 for none), Retry-After in seconds, and the body. */
function send(array $document, string $key): array
{
    $retryAfter = 0.0;
    $curl = curl_init(getenv('PENSTOCK_URL') . '/api/v1.1/profiles/import');
    curl_setopt_array($curl, [
        CURLOPT_POSTFIELDS => json_encode($document, JSON_THROW_ON_ERROR),
        CURLOPT_HTTPHEADER => [
            'Authorization: Bearer ' . getenv('PENSTOCK_TOKEN'),
            'Content-Type: application/json',
            "Idempotency-Key: $key",
        ],
        CURLOPT_RETURNTRANSFER => true,
        CURLOPT_TIMEOUT => 30,
        CURLOPT_HEADERFUNCTION => function ($_, string $line) use (&$retryAfter): int {
            if (stripos($line, 'Retry-After:') === 0) {
                $retryAfter = (float) substr($line, 12);
            }
            return strlen($line);
        },
    ]);
    $body = curl_exec($curl);
    return [curl_getinfo($curl, CURLINFO_RESPONSE_CODE), $retryAfter, (string) $body];
}

try {
    echo importProfile([
        'db_id' => (int) (getenv('PENSTOCK_DB') ?: 1),
        'email' => 'ada@example.com',
        'data' => ['_fname' => 'Ada', 'points' => ['action' => 'incr', 'value' => 10]],
    ], 'order-1017'), "\n";
} catch (ImportFailed | RuntimeException $error) {
    fwrite(STDERR, $error->getMessage() . "\n");
    exit(1);
}
