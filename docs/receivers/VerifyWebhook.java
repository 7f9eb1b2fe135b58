// Verifies an event of Penstock with Java's standard library, and prints it.

import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.time.Instant;
import java.util.Base64;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

public class VerifyWebhook {
    static final long TOLERANCE_SECONDS = 300;

    /** Says whether body, as it was received, is from Penstock, and recent. */
    static boolean verify(String secret, String messageId, String timestamp, String signatures, byte[] body)
            throws GeneralSecurityException {
        // A message that somebody recorded is not accepted later.
        if (!timestamp.matches("[0-9]{1,12}")) return false;
        long age = Instant.now().getEpochSecond() - Long.parseLong(timestamp);
        if (Math.abs(age) > TOLERANCE_SECONDS) return false;
        byte[] key = Base64.getDecoder().decode(secret.replaceFirst("^whsec_", ""));
        Mac mac = Mac.getInstance("HmacSHA256");
        mac.init(new SecretKeySpec(key, "HmacSHA256"));
        mac.update((messageId + "." + timestamp + ".").getBytes(StandardCharsets.UTF_8));
        String expected = "v1," + Base64.getEncoder().encodeToString(mac.doFinal(body));
        // Several, while a secret is replaced.
        for (String signature : signatures.split(" ")) {
            if (MessageDigest.isEqual(bytes(expected), bytes(signature))) return true;
        }
        return false;
    }

    static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    public static void main(String[] arguments) throws Exception {
        // A server has these from the headers of a POST: webhook-id, webhook-timestamp, and
        // webhook-signature.
        byte[] body = System.in.readAllBytes();
        if (!verify(
                System.getenv("WEBHOOK_SECRET"),
                System.getenv("WEBHOOK_ID"),
                System.getenv("WEBHOOK_TIMESTAMP"),
                System.getenv("WEBHOOK_SIGNATURE"),
                body)) {
            System.err.println("Refused: answer 400");
            System.exit(1);
        }
        // Java has no JSON of its own. With that of your server, read the type: the data of
        // a "batch" is a list of events; of any other type, the body is one event.
        System.out.println("verified " + System.getenv("WEBHOOK_ID"));
    }
}
