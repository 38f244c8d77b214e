"""What the binding costs: the same load through the demo proxy and through Python programs, in turns.

    python3 bench/proxy.py [--demo PATH] [--rounds 3] [--seconds 2] [--connections 64]

Needs wrk. Prints medians of requests per second and of CPU microseconds of the proxy's process per request, and how the CPU compares
with the demo's in the same round: the spread tells how quiet the machine was.
"""

import argparse
import asyncio
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile

def proxy(kind, url):
    import cardea

    policy = cardea.Policy.host() if kind in ("plain", "coroutine", "everything") else cardea.Policy.public()
    config = cardea.Config(
        listeners=[cardea.Listener("127.0.0.1:0")],
        routes=[cardea.Route("http://127.0.0.1", policy=policy, cluster=cardea.Cluster(url))],
    )

    async def coroutine(request):
        return request.path == "/"

    hooks = {}
    if kind in ("plain", "coroutine", "everything"):
        hooks["authorize"] = (lambda request: request.path == "/") if kind == "plain" else coroutine
    if kind in ("end", "everything"):
        hooks["on_request_end"] = lambda request: request.status
    if kind == "thread":
        cardea.serve(config, workers=1, ready=lambda addresses: print(addresses[0], flush=True))
        return

    async def main():
        async with cardea.Worker(cardea.Proxy(config, **hooks)) as worker:
            print(worker.addresses[0], flush=True)
            await asyncio.Event().wait()

    if kind == "uvloop":
        import uvloop

        uvloop.install()
    asyncio.run(main())


def cpu(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def started(command):
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return process, next(int(found[1]) for line in process.stdout if (found := re.search(r"127\.0\.0\.1:(\d+)", line)))


def measured(command, seconds, connections):
    process, port = started(command)
    try:
        load = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", f"http://127.0.0.1:{port}/"]
        subprocess.run([*load[:3], "-d1s", load[-1]], check=True, capture_output=True)
        before = cpu(process.pid)
        out = subprocess.run(load, check=True, capture_output=True, text=True).stdout
        used = cpu(process.pid) - before
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    if "Non-2xx" in out:
        raise SystemExit(out)
    requests = int(re.search(r"(\d+) requests in", out)[1])
    return requests / seconds, used / requests * 1e6


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--demo", default="cardea-proxy")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--only", nargs="*", help="kinds: none uvloop thread end plain coroutine everything")
    options = parser.parse_args()
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as answers, tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        # The service: another demo proxy, which answers by itself.
        answers.write("address: 127.0.0.1:0\ninsecure_server: true\naccess_log: {path: 'off'}\nroutes: [{from: 'http://127.0.0.1',"
                      " response: {status: 200, body: ok}, allow_public_unauthenticated_access: true}]\n")
        answers.flush()
        service, port = started([options.demo, "--config", answers.name])
        url = f"http://127.0.0.1:{port}"
        file.write("address: 127.0.0.1:0\ninsecure_server: true\naccess_log: {path: 'off'}\n"
                   f"routes: [{{from: 'http://127.0.0.1', to: '{url}', allow_public_unauthenticated_access: true}}]\n")
        file.flush()
        rows = {"cardea-proxy (no Python)": [options.demo, "--config", file.name]}
        names = {"none": "in asyncio, no hooks", "uvloop": "in uvloop, no hooks", "thread": "on a thread, no hooks",
                 "end": "in asyncio, on_request_end", "plain": "in asyncio, plain authorize",
                 "coroutine": "in asyncio, coroutine authorize", "everything": "in asyncio, coroutine authorize and on_request_end"}
        try:
            import uvloop  # noqa: F401
        except ImportError:
            del names["uvloop"]
        rows.update({name: [sys.executable, __file__, "proxy", kind, url] for kind, name in names.items()
                     if not options.only or kind in options.only})
        found = {name: [] for name in rows}
        try:
            for _ in range(options.rounds):
                for name, command in rows.items():
                    found[name].append(measured(command, options.seconds, options.connections))
        finally:
            service.kill()
            service.wait()
    demo = next(iter(found.values()))
    print("| Proxy | requests/s | CPU us/request | against the demo (spread) |\n| --- | --- | --- | --- |")
    for name, rounds in found.items():
        rate, cost = (statistics.median(values) for values in zip(*rounds))
        ratios = sorted((mine[1] / base[1] - 1) * 100 for mine, base in zip(rounds, demo))
        spread = f"{statistics.median(ratios):+.0f} % ({ratios[0]:+.0f} to {ratios[-1]:+.0f})"
        print(f"| {name} | {rate:,.0f} | {cost:.1f} | {spread} |")


if __name__ == "__main__":
    if sys.argv[1:2] == ["proxy"]:
        proxy(*sys.argv[2:4])
    else:
        main()
