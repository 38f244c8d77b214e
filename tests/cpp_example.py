#!/usr/bin/env python3
"""The C++ example serves: service, program, requests of somebody known and of nobody, SIGTERM.

    cpp_example.py PROGRAM
"""
import http.client
import http.server
import subprocess
import sys
import threading

program = sys.argv[1]


class Service(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = f"served {self.path}\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


def get(address, **headers):
    connection = http.client.HTTPConnection(address, timeout=20)
    connection.request("GET", "/a?b=c", headers={"Host": "app.localhost", "Connection": "close", **headers})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text


def main():
    service = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Service)
    threading.Thread(target=service.serve_forever, daemon=True).start()
    faults = []
    usage = subprocess.run([program], capture_output=True, text=True)
    if usage.returncode != 2 or "usage" not in usage.stderr:
        faults.append(f"without arguments: {usage}")
    wrong = subprocess.run([program, "gopher://x"], capture_output=True, text=True)
    if wrong.returncode != 1 or "uv_host:" not in wrong.stderr:
        faults.append(f"with a service that is none: {wrong}")
    running = subprocess.Popen([program, f"http://127.0.0.1:{service.server_port}", "127.0.0.1:0"], stdout=subprocess.PIPE, text=True)
    stuck = threading.Timer(60, running.kill)
    stuck.start()
    address = running.stdout.readline().split("http://")[-1].strip()
    known, unknown = get(address, **{"X-User": "ann"}), get(address)
    running.terminate()
    said = running.stdout.read()
    code = running.wait()
    stuck.cancel()
    service.shutdown()
    if known != (200, "served /a?b=c\n") or unknown[0] != 403:
        faults.append(f"answers {known}, {unknown}")
    if "200 /a ok" not in said or "403 /a denied:" not in said or code != 0:
        faults.append(f"it said {said!r} and ended with {code}")
    print("\n".join(faults) or "the example serves")
    sys.exit(bool(faults))


main()
