"""Configuration faults: every one at once, each with its place, and a start that fails says what it failed on."""
import base64
import os
import re
import socket

from harness import case, check, equal, open_route, proxy_environment, run, write_config
from raw import Wire

# What stands in the file -> the lines of «--check», as regular expressions, in order.
FAULTS = [
    ("unknown key, with the nearest name", """\
address: 127.0.0.1:0
insecure_server: true
adress: x
routes:
  - from: https://app.localhost
    to: http://127.0.0.1:1
""", [r"checked.yaml:3:1: adress: unknown key, did you mean address\?"]),
    ("known, not supported by us", """\
address: 127.0.0.1:0
insecure_server: true
idp_provider: google
routes:
  - from: https://app.localhost
    to: http://127.0.0.1:1
""", [r"checked.yaml:3:1: .*not supported by cardea: idp_provider"]),
    ("known, later", """\
address: 127.0.0.1:0
insecure_server: true
codec_type: http3
routes:
  - from: https://app.localhost
    to: http://127.0.0.1:1
    depends_on: [x]
""", [r"checked.yaml:3:13: .*not supported yet.*", r"checked.yaml:7:5: .*not supported yet: .*depends_on"]),
    ("wrong types and ranges", """\
address: 127.0.0.1:0
insecure_server: 12
workers: many
timeout_read: 5 parsecs
routes:
  - from: https://app.localhost
    to: http://127.0.0.1:1
""", [r"checked.yaml:2:18: insecure_server: .+", r"checked.yaml:3:10: workers: .+", r"checked.yaml:4:15: timeout_read: .+"]),
    ("routes", """\
address: 127.0.0.1:0
insecure_server: true
routes:
  - from: ftp://app.localhost
    to: http://127.0.0.1:1
  - from: https://a.localhost
    to: gopher://127.0.0.1:1
  - from: https://b.localhost
  - from: https://c.localhost
    to: http://127.0.0.1:1
    regex: "("
  - from: https://d.localhost
    to: http://127.0.0.1:1
  - from: https://d.localhost
    to: http://127.0.0.1:2
  - to: http://127.0.0.1:2
""", [r"checked.yaml:4:11: .*from.*", r"checked.yaml:7:9: .*to.*", r"checked.yaml:8:.*", r"checked.yaml:11:12: .*regex.*",
      r"checked.yaml:14:.*route 4 .*", r"checked.yaml:16:.*from.*"]),
    ("a misspelt criterion", """\
address: 127.0.0.1:0
insecure_server: true
routes:
  - from: https://app.localhost
    to: http://127.0.0.1:1
    policy:
      - allow:
          or:
            - acept: true
""", [r"checked.yaml:9:15: .*acept.*"]),
    ("a doubled key", """\
address: 127.0.0.1:0
insecure_server: true
insecure_server: false
routes:
  - from: https://app.localhost
    to: http://127.0.0.1:1
""", [r"checked.yaml:3:1: .*insecure_server.*"]),
    ("not YAML", "routes: [\n", [r"checked.yaml:\d+:\d+: .+"]),
    ("empty", "", [r"checked.yaml:\d+:\d+: .+"]),
    ("no routes", "address: 127.0.0.1:0\ninsecure_server: true\n", [r"checked.yaml:\d+:\d+: .*routes.*"]),
    ("a list instead of keys", "- a\n- b\n", [r"checked.yaml:1:1: .+"]),
]


@case()
def every_fault_has_its_place(t):
    problems = []
    for name, text, lines in FAULTS:
        code, err = t.check_config(text)
        found = [line for line in err.splitlines() if line]
        if code != 1 or len(found) != len(lines) or not all(map(re.fullmatch, lines, found)):
            problems.append(f"«{name}», exit code {code}:\n    " + "\n    ".join(found))
    check(not problems, lambda: "not as expected:\n  " + "\n  ".join(problems))


@case()
def every_fault_at_once(t):
    """All files above that only add faults, as one: nothing hides behind the first."""
    code, err = t.check_config("""\
address: nonsense
insecure_server: maybe
workers: -1
surprise: 1
idp_client_id: x
metrics_address: nowhere
routes:
  - from: https://app.localhost
    to: http://127.0.0.1:1
    timeout: soon
    prefix_rewrite: /a
    regex_rewrite_pattern: b
    regex_rewrite_substitution: c
""")
    equal(code, 1, "exit code")
    for place in (r":1:10: address", r":2:18: insecure_server", r":3:10: workers", r":4:1: surprise",
                  r":5:1: .*idp_client_id", r":6:18: metrics_address", r":10:14: .*timeout", r":1[123]:\d+: .*rewrite"):
        check(re.search("checked.yaml" + place, err), f"no fault at {place} in:\n{err}")
    numbers = [int(n) for n in re.findall(r"checked.yaml:(\d+):", err)]
    equal(numbers, sorted(numbers), "order of the lines")


@case()
def good_files_pass(t):
    code, err = t.check_config("""\
# Comments and anchors are fine.
address: 127.0.0.1:0
insecure_server: yes
routes: &routes
  - from: https://app.localhost
    to: ["http://127.0.0.1:1,2", "http://127.0.0.1:2,1"]
    allow_public_unauthenticated_access: true
""".replace("yes", "true"))
    equal((code, err), (0, ""), "exit code, standard error")


@case()
def version(t):
    out = run([t.suite.binary, "--version"])
    check(re.search(r"cardea.* \d+\.\d+\.\d+", out), f"version: {out!r}")


def refused(t, config):
    """Starts with a configuration that cannot work: gives what it says as it ends with 1."""
    path = write_config(t.path("refused.yaml"), config)
    done = run([t.suite.binary, "--config", path], expect=None, timeout=20, env=proxy_environment())
    equal(done.code, 1, f"exit code ({done.err[-500:]})")
    return done.err


@case()
def port_in_use(t):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        err = refused(t, t.config([open_route("http://127.0.0.1:1")], tls=False, address=address))
    check(address in err and "in use" in err, err)


@case()
def unreadable_files(t):
    pair = t.certs.pair("app")
    with open(t.path("garbage"), "w") as out:
        out.write("not a key\n")
    for certificate, named in (({"cert": pair["cert"], "key": t.path("missing.key")}, "missing.key"),
                               ({"cert": t.path("missing.pem"), "key": pair["key"]}, "missing.pem"),
                               ({"cert": pair["cert"], "key": t.path("garbage")}, "garbage"),
                               ({"cert": t.path("garbage"), "key": pair["key"]}, "garbage")):
        err = refused(t, t.config([open_route("http://127.0.0.1:1")], certificates=[certificate]))
        check(named in err, f"{named} is not named: {err}")


@case()
def key_of_another_certificate(t):
    certificate = {"cert": t.certs.pair("app")["cert"], "key": t.certs.pair("wild")["key"]}
    err = refused(t, t.config([open_route("http://127.0.0.1:1")], certificates=[certificate]))
    check(("wild.key" in err or "app.pem" in err) and "match" in err, err)


@case()
def missing_configuration(t):
    done = run([t.suite.binary, "--config", t.path("nowhere.yaml")], expect=None)
    check(done.code == 1 and "nowhere.yaml" in done.err, f"{done.code}: {done.err}")
    check(run([t.suite.binary], expect=None).code != 0, "starts without --config")
    check(run([t.suite.binary, "--no-such-option"], expect=None).code != 0, "takes an unknown option")


@case()
def json_and_base64(t):
    """JSON is YAML; certificates may stand in the file as base64 PEM."""

    pair = t.certs.pair("app")
    inline = {}
    for name in ("cert", "key"):
        with open(pair[name], "rb") as pem:
            inline[name] = base64.b64encode(pem.read()).decode()
    proxy = t.proxy(t.config([open_route(t.service().url)], certificates=[inline]))
    equal(t.status(proxy=proxy), 200, "status")


@case()
def ten_thousand_routes(t):
    url = t.service().url
    routes = [open_route(url, host=f"h{i // 4}.localhost", prefix=f"/p{i % 4}") for i in range(10_000)]
    proxy = t.proxy(t.config(routes, tls=False))
    with Wire(proxy.port()) as wire:
        for host, path, status in (("h0.localhost", "/p0", 200), ("h2499.localhost", "/p3/x", 200),
                                   ("h2499.localhost", "/p4", 404), ("h2500.localhost", "/p0", 404)):
            equal(wire.ask(path, host=host).status, status, f"{host}{path}")


@case()
def directories_and_permissions(t):
    os.mkdir(t.path("folder"))
    done = run([t.suite.binary, "--config", t.path("folder"), "--check"], expect=None)
    check(done.code == 1 and "folder" in done.err, f"{done.code}: {done.err}")
