"""gRPC through the proxy: every kind of call, statuses in trailers, cancellation, and the proxy's own refusals."""
import hashlib
import json
import os

from harness import PYTHON, ROOT, case, check, equal, free_port, open_route, run, wait_until

PEERS = [PYTHON, "-B", os.path.join(ROOT, "tests/integration/grpc_peers.py")]
DETAILS = "as asked: 100 % «wrong»"
LAST = {"x-last-bin": bytes(range(64)).hex()}


def environment():
    # The clients' own remarks about descriptors and forks are nobody's concern here.
    return {**os.environ, "GRPC_VERBOSITY": "ERROR"}


def service(t, tls=None):
    pair = t.certs.pair(tls) if tls else None
    served = t.child([*PEERS, "serve", *(["--tls", pair["cert"], pair["key"]] if pair else [])], environment())
    served.url = served.listening(1)[0]
    return served


def through(t, tls=True, **keys):
    """A proxy in front of a fresh service; routes of streams have no deadline of their own."""
    return t.proxy(t.config([open_route(service(t).url, timeout="0s", **keys)], tls=tls))


def wild(t, *routes):
    """A proxy for app.localhost and for every name below wild.localhost: gRPC clients insist on the certificate."""
    return t.proxy(t.config(list(routes), certificates=[t.certs.pair("app"), t.certs.pair("wild")]))


def call(t, proxy, kind, *options, sent=("hello",), **metadata):
    """What a client saw: messages, status, metadata of the head and of the end."""
    trust = ["--ca", t.certs.ca] if proxy.addresses[0].startswith("https") else []
    asked = [f"--metadata={key.replace('_', '-')}={value}" for key, value in metadata.items()]
    return json.loads(run([*PEERS, "call", "--port", str(proxy.port()), *trust, *asked, *options, kind, *sent], 60,
                          env=environment()))


def outcome(answer):
    return answer["code"], answer["messages"]


def check_last(answer, what):
    """The service's trailing metadata; where its only head is its last, what every head gets is there too."""
    equal({key: answer["last"].get(key) for key in LAST}, LAST, f"{what}: trailing metadata")


def every_kind(t, proxy):
    """Each kind of call, with metadata both ways, before and after the messages."""
    many = [str(n) for n in range(200)]
    for kind, sent, answers, expected in (
            ("unary_unary", ["hello"], 1, ["hello"]),
            ("unary_stream", ["hello"], 1000, ["hello"] * 1000),
            ("stream_unary", many[:30], 1, ["".join(many[:30])]),
            ("stream_stream", many, 3, [n for n in many for _ in range(3)])):
        answer = call(t, proxy, kind, sent=sent, answers=answers, x_sent="a word")
        equal(outcome(answer), ("OK", expected), kind)
        equal(answer["first"].get("x-first"), "a word", f"{kind}: initial metadata")
        check_last(answer, kind)


@case()
def tls_to_h2c(t):
    every_kind(t, through(t))


@case()
def prior_knowledge_to_h2c(t):
    every_kind(t, through(t, tls=False))


@case()
def tls_to_https(t):
    proxy = t.proxy(t.config([open_route(service(t, "service").url, timeout="0s", tls_custom_ca_file=t.certs.ca)]))
    every_kind(t, proxy)


@case()
def conversation(t):
    """The client's next message leaves only when the service's answer is there: the proxy holds back neither."""
    words = [str(n) for n in range(100)]
    answer = call(t, through(t), "stream_stream", "--lockstep", sent=words)
    equal(outcome(answer), ("OK", words), "conversation")
    check_last(answer, "conversation")


@case()
def errors(t):
    """A status in the only head, and one in the trailers after messages; the words of both arrive undamaged."""
    proxy = through(t)
    for kind, code, metadata, messages in (
            ("unary_unary", "NOT_FOUND", {"bare": 1}, []),
            ("unary_unary", "INVALID_ARGUMENT", {}, []),
            ("unary_stream", "RESOURCE_EXHAUSTED", {"answers": 5}, ["hello"] * 5),
            ("stream_unary", "UNAUTHENTICATED", {}, []),
            ("stream_stream", "DATA_LOSS", {"answers": 5}, ["hello"] * 5),
            ("unary_stream", "INTERNAL", {"bare": 1, "answers": 0}, [])):
        answer = call(t, proxy, kind, fail=code, **metadata)
        equal((answer["code"], answer["messages"], answer["details"]), (code, messages, DETAILS), f"{kind} {metadata}")
        check_last(answer, kind)
    equal(call(t, proxy, "unary_unary", "--method", "unknown")["code"], "UNIMPLEMENTED", "an unknown method")
    statuses = [(line["status"], line["flags"]) for line in t.access_log()]
    equal(statuses, [(200, "-")] * 7, "the access log: what the service says is no failure of the exchange")


@case()
def large_messages(t):
    """Larger than every window and buffer, both ways."""
    body = b"x" * (16 << 20)
    answer = call(t, through(t), "unary_unary", f"--size={len(body)}")
    equal(outcome(answer), ("OK", [f"{len(body)} {hashlib.sha256(body).hexdigest()}"]), "16 MiB")


@case()
def many_calls(t):
    """Two thousand calls, fifty at a time on one connection: each gets its own answer."""
    answers = call(t, through(t), "unary_unary", "--repeat=2000")
    equal(answers, [[[str(n)], "OK"] for n in range(2000)], "answers")


@case()
def client_that_leaves(t):
    """A cancelled call is cancelled at the service too."""
    served = service(t)
    proxy = t.proxy(t.config([open_route(served.url, timeout="0s")]))
    answer = call(t, proxy, "stream_stream", "--leave", hold=1)
    equal(outcome(answer), ("CANCELLED", ["hello"]), "the cancelled call")
    wait_until(lambda: "client left" in served.lines, "the service to be told")


@case()
def deadlines(t):
    """The client's deadline reaches the service; the route's own answers DEADLINE_EXCEEDED."""
    served = service(t)
    proxy = wild(t, open_route(served.url, timeout="0s"),
                 open_route(served.url, "slow.wild.localhost", timeout="300ms"))
    answer = call(t, proxy, "unary_unary", "--deadline=1", hold=1)
    equal(outcome(answer), ("DEADLINE_EXCEEDED", []), "the client's deadline")
    wait_until(lambda: "client left" in served.lines, "the service to be told")
    answer = call(t, proxy, "unary_unary", "--host=slow.wild.localhost", bare=1, hold=1)
    equal(outcome(answer), ("DEADLINE_EXCEEDED", []), "the route's deadline")
    wait_until(lambda: served.lines.count("client left") == 2, "the service to be told again")


@case()
def refusals_have_a_status(t):
    """What the proxy answers itself is a gRPC status, not an HTTP error."""
    nobody = f"h2c://127.0.0.1:{free_port()}"
    closed = {"from": "https://closed.wild.localhost", "to": nobody}
    proxy = wild(t, closed, open_route(nobody, "down.wild.localhost"))
    for name, code in (("closed", "PERMISSION_DENIED"), ("down", "UNAVAILABLE"), ("unknown", "UNIMPLEMENTED")):
        answer = call(t, proxy, "unary_unary", f"--host={name}.wild.localhost")
        equal(outcome(answer), (code, []), name)
        check(answer["details"], f"{name}: a status without words")
