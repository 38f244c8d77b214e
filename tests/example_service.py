"""The service behind an example: it answers every GET with a line that the test chooses."""
import http.server
import threading


def serve(line):
    """A running server; line(request) gives the answer's text."""
    class Service(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = line(self).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments):
            pass

    service = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Service)
    threading.Thread(target=service.serve_forever, daemon=True).start()
    return service
