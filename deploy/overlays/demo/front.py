"""A service with a fixed port, 8080: each of its answers is a greeting that it fetches from `web`."""

import signal
import sys
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

GREETING = "http://web:8080/hello.txt"
TIMEOUT_SECONDS = 5


class Front(BaseHTTPRequestHandler):
    def do_GET(self):
        try:
            with urllib.request.urlopen(GREETING, timeout=TIMEOUT_SECONDS) as response:
                status, body = 200, b"web says " + response.read()
        except OSError as error:
            status, body = 502, f"{GREETING}: {error}\n".encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


# Process 1 ignores a signal that it does not handle, so without this the pod would hang until it is killed.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
server = ThreadingHTTPServer(("", 8080), Front)
threading.Thread(target=server.serve_forever, daemon=True).start()

# One request a second, so that the dashboard shows traffic without a visitor.
while True:
    try:
        urllib.request.urlopen(GREETING, timeout=TIMEOUT_SECONDS).close()
    except OSError as error:
        print(f"{GREETING}: {error}", flush=True)
    time.sleep(1)
