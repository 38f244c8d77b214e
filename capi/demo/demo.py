"""What `capi/demo/run` runs when everything is built: certificates, two services, the proxy; then curl lines to try, or
the tour that tries them by itself."""
import fcntl
import os
import signal
import sys
import tempfile
import threading

from stage import PROXY, ROOT, Demo, color, quoted, say, stop
from tour import Tour

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def only_one(folder):
    """Holds the folder for this process until it ends, however it ends."""
    lock = open(os.path.join(folder, "lock"), "a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.seek(0)
        stop(f"the demo runs already: process {lock.read().strip() or 'unknown'}; end it with Ctrl-C where it runs. "
             "(--tour may run beside it.)")
    lock.truncate(0)
    lock.write(f"{os.getpid()}\n")
    lock.flush()
    return lock


def serve(demo):
    ports = demo.ports
    say(color("1;32", "Cardea serves."))
    say(f"""
  https://app.localhost:{ports['tls']}
      two services in turn, over HTTP/2 and HTTP/1.1
  https://localhost:{ports['tls']}
      the same, for tools that look names up in the hosts file: h2load, wrk
  http://app.localhost:{ports['plain']}
      redirects to https://app.localhost on port 443, where https is in the world
  http://127.0.0.1:{ports['one']} and http://127.0.0.1:{ports['two']}
      the services themselves
  {demo.config}
      the configuration: change it, and it is applied
  {demo.folder}/access.log
      one line for each exchange
  http://127.0.0.1:{ports['admin']}
      the admin interface: who is connected, and for how long they may be

Try:""")
    admin = ["curl", "-sS", *demo.direct(), f"http://127.0.0.1:{ports['admin']}/exchanges"]
    for command in (demo.curl("--include"), demo.curl("--http1.1", "--include", path="/echo?q=1"),
                    demo.curl("--include", path="/admin"), demo.curl("--include", path="/docs"),
                    demo.curl(path="/turn?[1-6]"), demo.curl("--no-buffer", path="/stream"),
                    demo.curl("--data-binary", f"@{demo.config}", path="/upload"), demo.curl("--include", plain=True),
                    demo.curl("--include", path="/live/"), demo.curl("--include", *demo.bearer("anna"), path="/live/"),
                    demo.curl("--no-buffer", *demo.bearer("anna"), path="/live/stream?count=100"), admin):
        say("  " + quoted(command))
    say("\nCtrl-C drains and ends; a second one does not wait.")
    asked = threading.Event()

    def on_signal(*_):
        if asked.is_set():  # for the second time: the proxy does not wait for anybody then
            demo.proxy.process.send_signal(signal.SIGTERM)
        asked.set()
    for number in ENDING:
        signal.signal(number, on_signal)
    demo.proxy.on_line = lambda line: say("  " + line)
    while not asked.wait(0.2):
        if demo.proxy.process.poll() is not None:
            stop("the proxy ended by itself")
    return demo.end(35)


def leave(number, _):
    sys.exit(128 + number)  # by way of everybody's clean-up


def main():
    if not os.access(PROXY, os.X_OK):
        stop(f"no {PROXY}: capi/demo/run builds it")
    for number in ENDING:
        signal.signal(number, leave)
    if "--tour" in sys.argv[1:]:
        with tempfile.TemporaryDirectory(prefix="cardea-tour.") as folder, Demo(folder, any_ports=True) as demo:
            return Tour(demo).walk()
    folder = os.path.join(ROOT, "build-release/demo")
    os.makedirs(folder, exist_ok=True)
    with only_one(folder), Demo(folder, any_ports=False) as demo:
        return serve(demo)


if __name__ == "__main__":
    sys.exit(main())
