# Verifies an event of Penstock with Ruby's standard library, and prints it.
require "json"
require "openssl"

TOLERANCE_SECONDS = 300

# Say whether body, as it was received, is from Penstock, and recent.
def verify(secret, message_id, timestamp, signatures, body)
  # A message that somebody recorded is not accepted later.
  return false unless timestamp.match?(/\A[0-9]+\z/)
  return false if (Time.now.to_i - timestamp.to_i).abs > TOLERANCE_SECONDS

  key = secret.delete_prefix("whsec_").unpack1("m")
  signed = "#{message_id}.#{timestamp}.".b + body
  expected = "v1," + [OpenSSL::HMAC.digest("SHA256", key, signed)].pack("m0")
  # Several, while a secret is replaced.
  signatures.split.any? do |signature|
    signature.bytesize == expected.bytesize &&
      OpenSSL.fixed_length_secure_compare(signature, expected)
  end
end

# Return the events of a message, which may be a batch.
def list_events(message)
  message["type"] == "batch" ? message["data"] : [message]
end

# A server has these from the headers of a POST: webhook-id, webhook-timestamp, and
# webhook-signature.
body = $stdin.binmode.read
abort "Refused: answer 400" unless verify(
  ENV.fetch("WEBHOOK_SECRET"),
  ENV.fetch("WEBHOOK_ID"),
  ENV.fetch("WEBHOOK_TIMESTAMP"),
  ENV.fetch("WEBHOOK_SIGNATURE"),
  body,
)
list_events(JSON.parse(body)).each do |event|
  puts "#{event["type"]} #{event["data"]["event_id"]}"
end
