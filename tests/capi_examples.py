#!/usr/bin/env python3
"""The README's program is the example's file, and each example serves: certificate, service, program, curl.

    capi_examples.py SOURCE README PROGRAM...      SOURCE: what the README shows
"""
import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile

import example_service

source, readme, *programs = sys.argv[1:]


def check_readme():
    shown = re.findall(r"^```c\n(.*?)^```$", pathlib.Path(readme).read_text(), re.M | re.S)
    if pathlib.Path(source).read_text() not in shown:
        sys.exit(f"{readme} does not show {source} as it is")


def curl(address, *options):
    host, port = address.rsplit(":", 1)
    command = ["curl", "-sS", "--max-time", "20", "--resolve", f"app.localhost:{port}:{host}", *options]
    done = subprocess.run([*command, f"https://app.localhost:{port}/a?b=c"], capture_output=True, text=True)
    print(" ".join(options), "->", done.stdout.strip(), done.stderr.strip())
    return done.stdout


def start(program, *arguments):
    running = subprocess.Popen([program, *arguments, "127.0.0.1:0"], stdout=subprocess.PIPE, text=True)
    return running, running.stdout.readline().split("https://")[-1].strip()


def own_protocol(address):
    """adopt_server's own clients are served as before."""
    host, port = address.rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=20) as client:
        client.sendall(b"good morning\n")
        answer = client.makefile().readline()
    return [] if answer == "hello from the old server\n" else [f"its own protocol: {answer!r}"]


def keys(address, cert):
    """async_authorize: another thread lets one key pass."""
    faults = []
    for key, wanted in (("sesame", "200"), ("barley", "403"), (None, "403")):
        header = ["-H", f"X-Key: {key}"] if key else []
        status = curl(address, "--cacert", cert, "-o", os.devnull, "-w", "%{http_code}", *header)
        if status != wanted:
            faults.append(f"key {key}: {status!r}")
    return faults


def faults_of(program, cert, key, url):
    name = pathlib.Path(program).name
    passes = ["-H", "X-Key: sesame"] if name == "async_authorize" else []
    usage = subprocess.run([program], capture_output=True, text=True)
    wrong = subprocess.run([program, cert, "/no/such.key", url], capture_output=True, text=True)
    running, address = start(program, cert, key, url)
    try:
        wanted = "served /a?b=c for app.localhost"
        answers = {version: curl(address, "--cacert", cert, version, *passes) for version in ("--http1.1", "--http2")}
        faults = [f"{version}: {text!r}" for version, text in answers.items() if not text.startswith(wanted)]
        if name == "adopt_server":
            faults += own_protocol(address)
        if name == "async_authorize":
            faults += keys(address, cert)
        untrusted = curl(address)
        alive = running.poll() is None
    finally:
        running.kill()
        running.wait()
    if untrusted or not alive:
        faults.append(f"without the certificate curl got {untrusted!r}, and the program is {'alive' if alive else 'gone'}")
    if usage.returncode != 2 or "usage" not in usage.stderr:
        faults.append(f"without arguments: {usage}")
    if wrong.returncode != 1 or "/no/such.key" not in wrong.stderr:
        faults.append(f"with a key that is missing: {wrong}")
    return [f"{name}: {fault}" for fault in faults]


def main():
    check_readme()
    service = example_service.serve(
        lambda r: f"served {r.path} for {r.headers['X-Forwarded-Host']} over {r.headers['X-Forwarded-Proto']}\n")
    with tempfile.TemporaryDirectory() as folder:
        cert, key = f"{folder}/cert.pem", f"{folder}/key.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                        "-subj", "/CN=app.localhost", "-addext", "subjectAltName=DNS:app.localhost", "-keyout", key, "-out", cert],
                       check=True, capture_output=True)
        url = f"http://127.0.0.1:{service.server_port}"
        faults = [fault for program in programs for fault in faults_of(program, cert, key, url)]
    service.shutdown()
    print("\n".join(faults) or f"{len(programs)} examples serve")
    sys.exit(bool(faults))


main()
