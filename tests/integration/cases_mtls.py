"""Client certificates of an `openssl` PKI: the three ways of asking for them, over both protocols, and a list of revoked
ones that is replaced while streams live."""
import os
import time

from harness import Failure, case, check, equal, quiet, wait_until
from raw import Upstream
from tokens import allow

VALID = ("20200101000000Z", "20490101000000Z")
PAST = ("20200101000000Z", "20210101000000Z")
EVERYBODY = {"allow_public_unauthenticated_access": True}
LATEST = 3  # seconds until a changed file is noticed and its consequences are over

SETTINGS = """[ca]
default_ca = here
[here]
dir = {0}
database = {0}/index
serial = {0}/serial
crlnumber = {0}/crlnumber
new_certs_dir = {0}
certificate = {0}/ca.pem
private_key = {0}/ca.key
default_md = sha256
default_days = 30
default_crl_days = 30
policy = any
unique_subject = no
copy_extensions = copy
[any]
commonName = supplied
organizationalUnitName = optional
[authority]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[client]
basicConstraints = CA:FALSE
keyUsage = digitalSignature
extendedKeyUsage = clientAuth
authorityKeyIdentifier = keyid
"""
EC_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]


class Authority:
    """`openssl ca` in a folder of its own."""

    def __init__(self, folder, name, parent=None):
        os.makedirs(folder)
        self.folder, self.name, self.parent = folder, name, parent
        self.cert, self.key, self.crl = f"{folder}/ca.pem", f"{folder}/ca.key", f"{folder}/crl.pem"
        with open(f"{folder}/settings", "w") as out:
            out.write(SETTINGS.format(folder))
        for file, text in (("index", ""), ("serial", os.urandom(8).hex() + "\n"), ("crlnumber", "01\n")):
            with open(f"{folder}/{file}", "w") as out:
                out.write(text)
        if parent:
            self.request(name, self.key, f"{folder}/ca.csr")
            parent.sign(f"{folder}/ca.csr", self.cert, "authority")
        else:
            quiet(["openssl", "req", "-x509", *EC_KEY, "-days", "30", "-subj", f"/CN={name}", "-keyout", self.key, "-out",
                   self.cert, "-config", f"{folder}/settings", "-extensions", "authority"])
        self.write_list()

    def request(self, name, key, out, *more):
        quiet(["openssl", "req", *EC_KEY, "-subj", f"/CN={name}", "-keyout", key, "-out", out, *more])

    def sign(self, request, out, extensions, times=VALID):
        quiet(["openssl", "ca", "-batch", "-notext", "-config", f"{self.folder}/settings", "-extensions", extensions,
               "-startdate", times[0], "-enddate", times[1], "-in", request, "-out", out])

    def client(self, name, times=VALID):
        """(certificate with its intermediates, key) of a client whose e-mail address is NAME@example.com."""
        at = f"{self.folder}/{name}"
        self.request(name, at + ".key", at + ".csr", "-addext",
                     f"subjectAltName=email:{name}@example.com,DNS:{name}.example")
        self.sign(at + ".csr", at + ".pem", "client", times)
        with open(at + ".chain", "w") as chain:
            for part in [at + ".pem"] + [self.cert] * bool(self.parent):
                with open(part) as pem:
                    chain.write(pem.read())
        return at + ".chain", at + ".key"

    def revoke(self, name):
        quiet(["openssl", "ca", "-batch", "-config", f"{self.folder}/settings", "-revoke", f"{self.folder}/{name}.pem"])
        self.write_list()

    def write_list(self):
        quiet(["openssl", "ca", "-gencrl", "-config", f"{self.folder}/settings", "-out", self.crl])


class Pki:
    """Root, intermediate, and the list of both, in a file that the proxy watches."""

    def __init__(self, t):
        self.root = Authority(t.path("root"), "Root")
        self.middle = Authority(t.path("middle"), "Middle", self.root)
        self.crl = t.path("crl.pem")
        self.publish()
        self.clients = {name: self.middle.client(name) for name in ("anna", "berta", "revoked")}
        self.clients["expired"] = self.middle.client("expired", PAST)
        self.clients["direct"] = self.root.client("direct")
        self.clients["stranger"] = Authority(t.path("other"), "Other").client("stranger")
        self.middle.revoke("revoked")
        self.publish()

    def publish(self):
        """Written beside and renamed: a watcher never sees a half."""
        with open(self.crl + ".new", "w") as out:
            for authority in (self.root, self.middle):
                with open(authority.crl) as pem:
                    out.write(pem.read())
        os.rename(self.crl + ".new", self.crl)

    def keys(self, enforcement, **more):
        return {"downstream_mtls": {"ca_file": self.root.cert, "crl_file": self.crl, "max_verify_depth": 2,
                                    "enforcement": enforcement, **more}}

    def shown(self, name):
        """curl's arguments for this client."""
        return ("--cert", self.clients[name][0], "--key", self.clients[name][1]) if name else ()


GOOD = ("anna", "berta", "direct")
BAD = (None, "expired", "revoked", "stranger")


def statuses(t, proxy, pki, rows, path="/"):
    for name, status in rows:
        for version in ("--http1.1", "--http2"):
            equal(t.status(version, *pki.shown(name), proxy=proxy, path=path), status, f"{name} {version} {path}")


@case()
def policy_with_default_deny(t):
    """The default: whoever shows no good certificate is told so with 495, on every route."""
    pki = Pki(t)
    route = {"from": "https://app.localhost", "to": t.service().url}
    mail = {**route, "prefix": "/mail", "allowed_users": ["anna@example.com"]}
    proxy = t.proxy(t.config([mail, {**route, **EVERYBODY}], **pki.keys("policy_with_default_deny")))
    statuses(t, proxy, pki, [(name, 200) for name in GOOD] + [(name, 495) for name in BAD])
    statuses(t, proxy, pki, [("anna", 200), ("berta", 403), (None, 495), ("expired", 495)], "/mail")
    body = t.curl("-H", "Accept: application/json", *pki.shown("expired"), proxy=proxy)
    check("certificate" in body and '"status":495' in body, body)


@case()
def policy(t):
    """A certificate is one fact of many: routes decide what it takes."""
    pki = Pki(t)
    url = t.service().url
    deny = [{"allow": {"or": [{"accept": True}]}, "deny": {"or": [{"invalid_client_certificate": True}]}}]
    named = allow({"client_certificate": {"san_email": {"is": "anna@example.com"}}})
    proxy = t.proxy(t.config(
        [{"from": "https://app.localhost", "to": url, "prefix": "/strict", "policy": deny},
         {"from": "https://app.localhost", "to": url, "prefix": "/named", "policy": named},
         {"from": "https://app.localhost", "to": url, "prefix": "/mail", "allowed_users": ["anna@example.com"]},
         {"from": "https://app.localhost", "to": url, **EVERYBODY}], **pki.keys("policy")))
    statuses(t, proxy, pki, [(name, 200) for name in GOOD + BAD])
    statuses(t, proxy, pki, [(name, 200) for name in GOOD] + [(name, 495) for name in BAD], "/strict")
    statuses(t, proxy, pki, [("anna", 200), ("berta", 403), (None, 403)], "/named")
    # Only a trusted certificate says who somebody is.
    statuses(t, proxy, pki, [("anna", 200), ("berta", 403), ("expired", 401), (None, 401)], "/mail")


@case()
def reject_connection(t):
    """No handshake without a good certificate: the client sees an alert, nobody else sees anything, and the log says why."""
    pki = Pki(t)
    upstream = Upstream(t)
    proxy = t.proxy(t.config([{"from": "https://app.localhost", "to": upstream.url, **EVERYBODY}],
                             **pki.keys("reject_connection")), options=("--log-level", "notice"))
    statuses(t, proxy, pki, [(name, 200) for name in GOOD])
    served = len(upstream.requests)
    for name, why in REFUSED.items():
        for version in ("--http1.1", "--http2"):
            for tls in (("--tls-max", "1.2"), ("--tlsv1.3",)):
                said = len(refusals(proxy))
                out = t.curl(version, *tls, *pki.shown(name), proxy=proxy, expect=None)
                # 60 is what curl makes of the alert about an expired certificate. With TLS 1.3 the client believes to be
                # done before it hears of any: which of its next steps fails is not the proxy's to say.
                codes = {35: "alert", 60: "verification failed"} if "1.2" in tls else {35: "", 16: "", 55: "", 56: ""}
                check(out == "" and codes.get(out.code, "never") in out.err,
                      f"{name} {version} {tls}: exit {out.code}: {out}{out.err}")
                wait_until(lambda: len(refusals(proxy)) > said, f"the log to name it, {name} {version} {tls}", 5)
                equal(len(refusals(proxy)), said + 1, f"lines about {name} {version} {tls}")
                check(why in refusals(proxy)[-1], f"{name} {version} {tls}: the log says {refusals(proxy)[-1]}")
    equal(len(upstream.requests), served, "requests at the service")
    equal([line["status"] for line in t.access_log()], [200] * 2 * len(GOOD), "the access log")


# How the log names what is wrong with each of BAD.
REFUSED = {None: "certificate", "expired": "expired", "revoked": "revoked", "stranger": "certificate"}


def refusals(proxy):
    return [line for line in proxy.stderr().split("\n") if "handshake with 127.0.0.1:" in line and " failed: " in line]


@case()
def depth_and_names(t):
    """How long a chain may be, and which names a certificate must have."""
    pki = Pki(t)
    route = {"from": "https://app.localhost", "to": t.service().url, **EVERYBODY}
    for more, rows in (({"max_verify_depth": 1}, (("anna", 495), ("direct", 200))),
                       ({"max_verify_depth": 0}, (("anna", 200), ("direct", 200))),
                       ({"match_subject_alt_names": [{"email": "a.*@example\\.com"}]}, (("anna", 200), ("berta", 495))),
                       ({"match_subject_alt_names": [{"dns": "ann"}, {"dns": "berta\\..*"}]},
                        (("anna", 495), ("berta", 200)))):
        proxy = t.proxy(t.config([route], **pki.keys("policy_with_default_deny", **more)))
        statuses(t, proxy, pki, rows)


class Stream:
    """A download that goes on until it is ended: curl's exit code, and whether lines still come."""

    def __init__(self, t, proxy, version, *arguments, path="/stream?count=100000&every=0.05"):
        self.out = t.path(f"stream{time.monotonic_ns()}")
        self.child = t.child(["curl", "-sS", "-N", "--noproxy", "*", "--cacert", t.certs.ca, "--resolve",
                              f"app.localhost:{proxy.port()}:127.0.0.1", version, *arguments, "-o", self.out,
                              f"https://app.localhost:{proxy.port()}{path}"])
        wait_until(lambda: self.size() > 0 or not self.child.running(), "a stream to begin")
        if not self.child.running():
            raise Failure(f"the stream ended at once: {self.child.exit_code()} {self.child.stderr()}")

    def size(self):
        return os.path.getsize(self.out) if os.path.exists(self.out) else 0

    def ended(self):
        return not self.child.running()

    def check_lives(self):
        before = self.size()
        wait_until(lambda: self.size() > before, "more of a stream")
        check(self.child.running(), "the stream has ended")


@case()
def a_list_ends_streams(t):
    """A certificate is revoked while its stream lives: that one ends, over both protocols, and no other."""
    pki = Pki(t)
    proxy = t.proxy(t.config([{"from": "https://app.localhost", "to": t.service().url, "timeout": "0s", **EVERYBODY}],
                             **pki.keys("policy_with_default_deny")))
    streams = {(name, version): Stream(t, proxy, version, *pki.shown(name))
               for name in ("anna", "berta") for version in ("--http1.1", "--http2")}
    # A new list that names nobody new ends nothing.
    pki.middle.write_list()
    pki.publish()
    wait_until(lambda: sum("taken over" in line for line in proxy.errors) == 1, "the new list to be taken over", LATEST)
    for stream in streams.values():
        stream.check_lives()
    pki.middle.revoke("anna")
    pki.publish()
    published = time.monotonic()
    for version, code in (("--http1.1", 18), ("--http2", 92)):
        stream = streams["anna", version]
        wait_until(stream.ended, f"the stream of the revoked certificate to end, {version}", LATEST)
        equal(stream.child.exit_code(), code, f"curl's exit code, {version}: {stream.child.stderr()}")
    check(time.monotonic() - published < LATEST, "it took too long")
    for version in ("--http1.1", "--http2"):
        streams["berta", version].check_lives()
    statuses(t, proxy, pki, [("anna", 495), ("berta", 200)])
    causes = [line["cause"] for line in t.access_log() if "/stream" in line["path"]]
    equal(len(causes), 2, "ended streams in the log")
    check(all(cause.startswith("truncated:client_certificate") for cause in causes), f"causes: {causes}")


@case()
def a_certificate_runs_out(t):
    """A stream lasts no longer than the certificate that it rests on, and nothing has to happen for that."""
    pki = Pki(t)
    end = time.gmtime(time.time() + 4)
    pki.clients["short"] = pki.middle.client("short", (VALID[0], time.strftime("%Y%m%d%H%M%SZ", end)))
    proxy = t.proxy(t.config([{"from": "https://app.localhost", "to": t.service().url, "timeout": "0s", **EVERYBODY}],
                             **pki.keys("policy_with_default_deny")))
    short, anna = (Stream(t, proxy, "--http2", *pki.shown(name)) for name in ("short", "anna"))
    wait_until(short.ended, "the stream of the expired certificate to end", 8)
    equal(short.child.exit_code(), 92, "curl's exit code")
    anna.check_lives()
    statuses(t, proxy, pki, [("short", 495), ("anna", 200)])
