#!/usr/bin/env python3
"""The C++ example serves: service, program, requests of somebody known and of nobody, SIGTERM.

    cpp_example.py PROGRAM
"""
import http.client
import subprocess
import sys
import threading

import example_service

program = sys.argv[1]


def get(address, **headers):
    connection = http.client.HTTPConnection(address, timeout=20)
    connection.request("GET", "/a?b=c", headers={"Host": "app.localhost", "Connection": "close", **headers})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text


def main():
    service = example_service.serve(lambda request: f"served {request.path}\n")
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
