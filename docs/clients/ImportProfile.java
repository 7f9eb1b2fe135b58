// Imports a profile with Java 17's own HTTP client: retries that can do no harm, and a clear
// error. Run it as it is: java ImportProfile.java
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.time.Duration;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

public class ImportProfile {
    static final int ATTEMPTS = 6;
    static final HttpClient CLIENT =
            HttpClient.newBuilder().connectTimeout(Duration.ofSeconds(10)).build();

    /** Penstock refused the import; sending it again would not help. */
    static class ImportFailed extends Exception {
        ImportFailed(String message) {
            super(message);
        }
    }

    /**
     * Import a document; return the profile's id, or the import's where it waits. The key names
     * this import and is the same at every attempt, so that it is applied once.
     */
    static String importProfile(String document, String key)
            throws ImportFailed, IOException, InterruptedException {
        HttpRequest request =
                HttpRequest.newBuilder(
                                URI.create(System.getenv("PENSTOCK_URL") + "/api/v1.1/profiles/import"))
                        .timeout(Duration.ofSeconds(30))
                        .header("Authorization", "Bearer " + System.getenv("PENSTOCK_TOKEN"))
                        .header("Content-Type", "application/json")
                        .header("Idempotency-Key", key)
                        .POST(BodyPublishers.ofString(document))
                        .build();
        for (int attempt = 1; ; attempt++) {
            double pause = (0.5 + Math.random() / 2) * Math.pow(2, attempt) / 4;
            try {
                HttpResponse<String> response = CLIENT.send(request, BodyHandlers.ofString());
                int status = response.statusCode();
                if (status != 429 && status < 500) {
                    return read(response.body());
                }
                double asked = response.headers().firstValueAsLong("Retry-After").orElse(0);
                pause = Math.max(pause, asked);
                if (attempt == ATTEMPTS) {
                    throw new IOException("HTTP " + status);
                }
            } catch (IOException error) {
                if (attempt == ATTEMPTS) {
                    throw error;
                }
            }
            Thread.sleep((long) (pause * 1000));
        }
    }

    static String read(String answer) throws ImportFailed {
        String error = member(answer, "error");
        if (!"0".equals(error)) {
            throw new ImportFailed(error + ": " + member(answer, "error_text"));
        }
        // 202: it is safe and will be applied; GET its Location for the receipt.
        String profileId = member(answer, "profile_id");
        return profileId != null ? profileId : member(answer, "import_id");
    }

    /** Read one member of a flat answer; with a JSON library at hand, use that. */
    static String member(String answer, String name) {
        Matcher found =
                Pattern.compile("\"" + name + "\"\\s*:\\s*\"?((?:[^\"\\\\,}]|\\\\.)*)").matcher(answer);
        return found.find() ? found.group(1) : null;
    }

    public static void main(String[] arguments) throws Exception {
        String database = System.getenv().getOrDefault("PENSTOCK_DB", "1");
        String document =
                """
                {"db_id": %s, "email": "ada@example.com",
                 "data": {"_fname": "Ada", "points": {"action": "incr", "value": 10}}}
                """
                        .formatted(database);
        try {
            System.out.println(importProfile(document, "order-1017"));
        } catch (ImportFailed | IOException error) {
            System.err.println(error.getMessage());
            System.exit(1);
        }
    }
}
