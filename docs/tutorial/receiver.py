"""Receives events of triggers on port 8099, checks their signature and prints them.

Run it with the secret of the endpoint: receiver.py SECRET [PORT]
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

from standardwebhooks import Webhook, WebhookVerificationError

secret = Webhook(sys.argv[1])
port = int(sys.argv[2]) if len(sys.argv) > 2 else 8099


class Receiver(BaseHTTPRequestHandler):
    """Answers 204 to what Penstock signed, and 400 to anything else."""

    def do_POST(self) -> None:
        """Take one event; its `webhook-id` is the same at every attempt."""
        body = self.rfile.read(int(self.headers["content-length"]))
        try:
            event = secret.verify(body, dict(self.headers))
        except WebhookVerificationError:
            self.send_response(400)
        else:
            sys.stdout.write(json.dumps(event, indent=2) + "\n")
            sys.stdout.flush()
            self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing: the event is the news."""


server = HTTPServer(("127.0.0.1", port), Receiver)
sys.stdout.write(f"Waiting for events on port {port}\n")
sys.stdout.flush()
server.serve_forever()
