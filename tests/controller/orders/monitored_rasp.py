"""A rasp whose pings, uptime and clock a test sets."""

import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class MonitoredRasp:
    """HTTP server with the responses of blackbox_exporter and of the exporter for one rasp."""

    def __init__(self) -> None:
        self.pings: Iterator[bool] = iter([])
        self.booted_at = time.monotonic() - 1000
        self.has_exporter = True
        self.clock_offset = 0.0
        self.after_ping: Callable[[], None] = lambda: None
        rasp = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = rasp.probe() if self.path.startswith("/probe") else rasp.metrics()
                self.send_response(200 if body else 503)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *_: object) -> None:
                """Log nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.05,)).start()

    def probe(self) -> str:
        """Return the result of the next ping. After the last one, the rasp replies."""
        self.after_ping()
        return f"probe_success {int(next(self.pings, True))}\n"

    def metrics(self) -> str:
        if not self.has_exporter:
            return ""
        uptime = max(time.monotonic() - self.booted_at, 0.0)
        boot_time = time.time() + self.clock_offset - uptime
        return f"pirack_boot_time_seconds {boot_time}\npirack_uptime_seconds {uptime}\n"

    def reboot(self) -> None:
        """Boot. The uptime stays zero for a minute, in which a busy machine reads it."""
        self.booted_at = time.monotonic() + 60

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
