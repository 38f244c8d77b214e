"""Who may pass: tokens by another library than the proxy's, the answers to those who may not, and what services are told
about those who may."""
import base64
import json
import os
import re
import subprocess
import time

import jwt

from harness import case, check, equal, open_route, wait_until
from raw import Upstream, fields_of
from sockets import Sockets
from tokens import AUDIENCE, ISSUER, Key, KeyService, allow, base64url, bearer, guarded, key_set, local, provider, users

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
PAGE = ("-H", "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")
JSON = ("-H", "Accept: application/json")


def ask(t, proxy, *arguments, **where):
    """(status, lower-case headers, body) of one answer."""
    out = t.curl("--include", *arguments, proxy=proxy, **where)
    head, _, body = out.replace("\r\n", "\n").partition("\n\n")
    lines = head.split("\n")
    return int(lines[0].split(" ")[1]), {n.lower(): v for n, v in (line.split(": ", 1) for line in lines[1:])}, body


def part(content):
    return base64url(json.dumps(content).encode())


@case()
def every_algorithm(t):
    """Each kind of key, from one file, over both protocols."""
    keys = [Key(algorithm.lower(), algorithm) for algorithm in ALGORITHMS]
    with open(t.path("keys.json"), "w") as out:
        out.write(key_set(*keys))
    proxy = t.proxy(t.config([guarded(t.service().url)],
                             jwt_providers=provider(local_jwks={"filename": t.path("keys.json")})))
    for key in keys:
        for version in ("--http1.1", "--http2"):
            equal(t.status(version, *bearer(key.token("anna")), proxy=proxy), 200, f"{key.algorithm} {version}")


@case()
def tokens_that_count_for_nothing(t):
    """Forged, altered, of another time, issuer or audience: 401 says why, and the service hears of none."""
    ours, rsa, stranger = Key("k"), Key("r", "RS256"), Key("k")
    upstream = Upstream(t)
    proxy = t.proxy(t.config([guarded(upstream.url)], jwt_providers=local(ours, rsa)))
    good = ours.token("anna")
    head, payload, signature = good.split(".")
    claims = jwt.decode(good, options={"verify_signature": False})
    altered = part({**claims, "sub": "root", "email": "root@example.com"})
    # The public key as the secret of a symmetric algorithm: what a verifier that believes `alg` would take.
    secret = base64.urlsafe_b64decode(rsa.public["n"] + "==")
    now = int(time.time())
    equal(t.status(*bearer(good), proxy=proxy), 200, "the good one")
    for what, token in (("another key of that name", stranger.token("anna")),
                        ("a key of no name that we know", Key("other").token("anna")),
                        ("another payload", f"{head}.{altered}.{signature}"),
                        ("no signature", f"{head}.{payload}."),
                        ("alg none", f"{part({'alg': 'none', 'kid': 'k'})}.{payload}."),
                        ("alg None", f"{part({'alg': 'None', 'kid': 'k'})}.{payload}.{signature}"),
                        ("a symmetric algorithm", jwt.encode(claims, secret, "HS256", headers={"kid": "r"})),
                        ("a key of another type", rsa.token("anna", headers={"kid": "k"})),
                        ("its own key in the head", stranger.token("anna", headers={"jwk": stranger.jwk()})),
                        ("a critical extension", ours.token("anna", headers={"crit": ["x"], "x": 1})),
                        ("expired", ours.token("anna", seconds=-1)),
                        ("without an end", ours.token("anna", exp=None)),
                        ("not valid yet", ours.token("anna", nbf=now + 60)),
                        ("another issuer", ours.token("anna", iss="https://evil.example")),
                        ("another audience", ours.token("anna", aud="other")),
                        ("no audience", ours.token("anna", aud=None)),
                        ("two parts", f"{head}.{payload}"),
                        ("not base64", f"{head}.!!!.{signature}"),
                        ("something else", "hello")):
        status, fields, _ = ask(t, proxy, *bearer(token))
        equal(status, 401, what)
        check('error="invalid_token"' in fields["www-authenticate"], f"{what}: {fields['www-authenticate']}")
    equal(t.status(*bearer(ours.token("anna", aud=["x", AUDIENCE])), proxy=proxy), 200, "one audience of several")
    equal(len(upstream.requests), 2, "requests at the service")


@case()
def places_of_tokens(t):
    """A header of one's own, a cookie; the credential stays here, and other cookies pass."""
    key, upstream = Key("k"), Upstream(t)
    places = {"from_headers": [{"name": "X-Token"}], "from_cookies": ["session"]}
    proxy = t.proxy(t.config([guarded(upstream.url)],
                             jwt_providers=provider(local_jwks={"inline_string": key_set(key)}, **places)))
    token = key.token("anna")
    for what, arguments, status in (
            ("header", ("-H", f"X-Token: {token}"), 200),
            ("cookie", ("-H", f"Cookie: a=1; session={token}; b=2"), 200),
            ("another cookie", ("-H", f"Cookie: other={token}"), 401), ("Authorization", bearer(token), 401)):
        for version in ("--http1.1", "--http2"):
            equal(t.status(version, *arguments, proxy=proxy), status, f"{what} {version}")
    equal(len(upstream.requests), 4, "requests at the service")
    check(token.encode() not in upstream.everything(), "the token reached the service")
    cookies = [dict(fields_of(seen)).get("cookie") for seen in upstream.requests[2:]]
    equal(cookies, ["a=1; b=2"] * 2, "the other cookies")


@case()
def key_file_is_replaced(t):
    """The file is watched: the new key counts, the old one does not, and what the old one had opened ends."""
    old, new = Key("old"), Key("new", "EdDSA")
    both, sockets = Key("both"), Sockets(t)

    def write(*keys):
        with open(t.path("keys.next"), "w") as out:
            out.write(key_set(*keys))
        os.rename(t.path("keys.next"), t.path("keys.json"))
    write(old, both)
    proxy = t.proxy(t.config([guarded(sockets.serve(), allow_websockets=True)],
                             jwt_providers=provider(local_jwks={"filename": t.path("keys.json")})))
    anna = sockets.open(proxy, "anna", old.token("anna"))
    berta = sockets.open(proxy, "berta", both.token("berta"))
    equal(sockets.refused(proxy, "carl", new.token("carl")), 401, "the new key, too early")
    write(new, both)
    wait_until(anna.ended, "the WebSocket of the old key to end", 5)
    equal(anna.closed()[0], 1008, "its close code")
    berta.check_lives()
    sockets.open(proxy, "carl", new.token("carl")).check_lives()
    equal(sockets.refused(proxy, "anna", old.token("anna")), 401, "the old key")


@case()
def remote_keys_rotate(t):
    """Keys are fetched once and kept; an unknown key asks for them again; a withdrawn key ends what it had opened."""
    old, new, both, sockets = Key("old"), Key("new"), Key("both", "RS256"), Sockets(t)
    keys = KeyService(t, old, both)
    proxy = t.proxy(t.config([guarded(sockets.serve(), allow_websockets=True)], jwt_providers=keys.provider()))
    anna = sockets.open(proxy, "anna", old.token("anna"))
    berta = sockets.open(proxy, "berta", both.token("berta"))
    for n in range(20):
        sockets.open(proxy, f"more{n}", both.token(f"more{n}")).check_lives()
    equal(len(keys.requests), 1, "requests for the keys")
    check(keys.requests[0].startswith(b"GET /keys.json HTTP/1.1\r\n"), f"asked for: {keys.requests[0][:80]}")
    keys.keys = (new, both)
    anna.check_lives()
    # Strangers' tokens must not make us ask all the time: some seconds pass between two requests.
    token = new.token("carl")
    wait_until(lambda: t.curl("-o", "/dev/null", "-w", "%{http_code}", *bearer(token), proxy=proxy) != "401",
               "the new key to be known", 20)
    check(len(keys.requests) == 2, f"{len(keys.requests)} requests for the keys")
    wait_until(anna.ended, "the WebSocket of the withdrawn key to end", 3)
    equal(anna.closed()[0], 1008, "its close code")
    berta.check_lives()
    sockets.open(proxy, "carl", token).check_lives()


@case()
def remote_keys_that_do_not_come(t):
    """Without keys nobody is known and nobody passes: it is our fault, and not the client's, so it is no 401."""
    key = Key("k")
    for what, keys in (("500", Upstream(t, lambda *_: b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n")),
                       ("no key set", Upstream(t, lambda *_: b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]")),
                       ("closed", Upstream(t, lambda *_: None))):
        proxy = t.proxy(t.config([guarded(t.service().url)],
                                 jwt_providers=provider(remote_jwks={"uri": keys.url + "/keys.json"})))
        status, _, body = ask(t, proxy, *bearer(key.token("anna")))
        check(status in (503, 504) and "hello" not in body, f"{what}: {status} {body}")
        equal(t.status(proxy=proxy), 401, f"{what}: without a token")


@case()
def refusals(t):
    """401, 403 and their bodies as the client likes them."""
    key, url = Key("k"), t.service().url
    proxy = t.proxy(t.config([guarded(url, prefix="/why", policy=users("anna"), show_error_details=True),
                              guarded(url, policy=users("anna"))], jwt_providers=local(key)))
    anna, berta = bearer(key.token("anna")), bearer(key.token("berta"))
    for version in ("--http1.1", "--http2"):
        for path, who, accept, status, kind, words in (
                ("/", (), (), 401, "text/plain; charset=utf-8", "401 "),
                ("/", (), PAGE, 401, "text/html; charset=utf-8", "<!doctype html>"),
                ("/", (), JSON, 401, "application/json", '"status":401'),
                ("/", berta, (), 403, "text/plain; charset=utf-8", "403 "),
                ("/", berta, PAGE, 403, "text/html; charset=utf-8", "<!doctype html>"),
                ("/", berta, JSON, 403, "application/json", '"status":403'),
                ("/why", berta, JSON, 403, "application/json", '"reasons":["email-unauthorized"]'),
                ("/why", berta, PAGE, 403, "text/html; charset=utf-8", "email-unauthorized"),
                ("/", anna, JSON, 200, "text/plain; charset=utf-8", "hello from one"),
                ("/robots.txt", (), (), 200, "text/plain; charset=utf-8", "Disallow: /")):
            what = f"{version} {path} {who and who[1][-8:]} {accept}"
            found, fields, body = ask(t, proxy, version, *who, *accept, path=path)
            equal((found, fields["content-type"]), (status, kind), what)
            check(words in body, f"{what}: {body}")
            if status == 200:
                continue
            equal(fields["cache-control"], "no-store", f"{what}: Cache-Control")
            check(fields["x-request-id"] in body, f"{what}: no request id in {body}")
            check(path == "/why" or "email-" not in body, f"{what}: reasons are told: {body}")
            equal("www-authenticate" in fields, status == 401, f"{what}: WWW-Authenticate")
            if kind == "application/json":
                equal(json.loads(body)["request_id"], fields["x-request-id"], f"{what}: request_id")
    log = [(line.get("user"), line["decision"], line["status"], line["flags"]) for line in t.access_log()]
    for line in ((None, "deny", 401, "UAEX"), ("berta", "deny", 403, "UAEX"), ("anna", "allow", 200, "-")):
        check(line in log, f"{line} is not in {set(log)}")


@case()
def sign_in(t):
    """A person with a browser is sent to sign in; a program, or one with a token, is told that it has to."""
    key = Key("k")
    proxy = t.proxy(t.config([guarded(t.service().url, policy=users("anna"))], jwt_providers=local(key),
                             sign_in_url="https://login.example/start?x=1"))
    status, fields, _ = ask(t, proxy, *PAGE, path="/a/b?q=1&r=%20")
    equal(status, 302, "a browser")
    here = f"https%3A%2F%2Fapp.localhost%3A{proxy.port()}%2Fa%2Fb%3Fq%3D1%26r%3D%2520"
    equal(fields["location"], f"https://login.example/start?x=1&redirect_uri={here}", "Location")
    equal(fields["cache-control"], "no-store", "Cache-Control")
    for what, arguments, status in (("HEAD", ("-I", *PAGE), 302), ("POST", ("-X", "POST", *PAGE), 401),
                                    ("JSON", JSON, 401), ("any", (), 401),
                                    ("a bad token", (*PAGE, *bearer("x")), 401),
                                    ("somebody else", (*PAGE, *bearer(key.token("berta"))), 403),
                                    ("somebody", (*PAGE, *bearer(key.token("anna"))), 200)):
        equal(t.status(*arguments, proxy=proxy), status, what)


def signing_key(t):
    path = t.path("signing.pem")
    subprocess.run(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", path], check=True)
    return path


@case()
def what_services_are_told(t):
    """Claims and a signed assertion, which PyJWT checks with the published keys; clients' own copies are gone in every
    spelling, and the token stays here."""
    key, upstream = Key("k"), Upstream(t)
    proxy = t.proxy(t.config(
        [guarded(upstream.url, prefix="/quiet", pass_identity_headers=False),
         {**open_route(upstream.url), "prefix": "/open"}, guarded(upstream.url)],
        jwt_providers=local(key), signing_key_file=signing_key(t), pass_identity_headers=True,
        headers_with_underscores_action="allow",
        jwt_claims_headers={"X-Email": "email", "X-Pomerium-Claim-Groups": "groups", "X-City": "address/city"}))
    token = key.token("anna", groups=["staff", "admins"], address={"city": "Köln"}, name="Anna", sid="s1", phone="1")
    forged = ["X-Email: root@example.com", "x-EMAIL: root@example.com", "X_Email: root@example.com",
              "X-Pomerium-Claim-Groups: root", "X_Pomerium_Claim-Groups: root", "X-Pomerium-Claim-Email: root",
              "X-Pomerium-Jwt-Assertion: root", "x_pomerium_jwt_assertion: root", "X-City: root"]
    sent = [word for line in forged for word in ("-H", line)]
    named = ("-H", "Connection: keep-alive, x-email, x-pomerium-jwt-assertion, x-pomerium-claim-groups")

    def told(*arguments, path="/"):
        equal(t.status(*arguments, proxy=proxy, path=path), 200, f"status of {path}")
        seen = upstream.requests[-1]
        check(b"root" not in seen and token.encode() not in seen, f"reached the service: {seen}")
        return fields_of(seen)

    keys = jwt.PyJWKSet.from_dict(json.loads(t.curl(proxy=proxy, path="/.well-known/pomerium/jwks.json")))
    # The Connection header exists in HTTP/1.1 only.
    for arguments in (("--http1.1", *sent, *named), ("--http1.1", *sent), ("--http2", *sent)):
        fields = told(*arguments, *bearer(token))
        for name, value in (("x-email", "anna@example.com"), ("x-pomerium-claim-groups", "staff,admins"),
                            ("x-city", "Köln".encode().decode("latin-1"))):
            equal([v for n, v in fields if n.replace("_", "-") == name], [value], name)
        assertions = [v for n, v in fields if n.replace("_", "-") == "x-pomerium-jwt-assertion"]
        equal(len(assertions), 1, "assertions")
        key_id = jwt.get_unverified_header(assertions[0])["kid"]
        public = next(k for k in keys.keys if k.key_id == key_id).key
        host = "app.localhost"
        claims = jwt.decode(assertions[0], public, ["ES256"], audience=host, issuer=host)
        equal((claims["sub"], claims["email"], claims["groups"], claims["name"], claims["sid"]),
              ("anna", "anna@example.com", ["staff", "admins"], "Anna", "s1"), "claims of the assertion")
        equal(claims["exp"] - claims["iat"], 300, "its lifetime")
        check("phone" not in claims, "a claim that nobody asked for")
    again = dict(told(*bearer(token)))["x-pomerium-jwt-assertion"]
    equal(again, assertions[0], "the assertion of the same person, again")
    for path, arguments in (("/quiet", bearer(token)), ("/open", ())):
        names = {n.replace("_", "-") for n, _ in told(*sent, *arguments, path=path)}
        told_of = names & {"x-email", "x-city", "x-pomerium-claim-groups", "x-pomerium-jwt-assertion"}
        equal(told_of, set(), f"identity headers of {path}")


@case()
def token_for_a_service(t):
    """The credential goes upstream where the route says so, and only there."""
    key, upstream = Key("k"), Upstream(t)
    proxy = t.proxy(t.config([guarded(upstream.url, prefix="/with",
                                      set_request_headers={"X-Their-Token": "Bearer ${pomerium.id_token}"}),
                              guarded(upstream.url)], jwt_providers=local(key)))
    token = key.token("anna")
    for path, expected in (("/with", f"Bearer {token}"), ("/", None)):
        equal(t.status(*bearer(token), proxy=proxy, path=path), 200, path)
        fields = dict(fields_of(upstream.requests[-1]))
        equal((fields.get("x-their-token"), fields.get("authorization")), (expected, None), path)


PREFLIGHT = ("-X", "OPTIONS", "-H", "Origin: https://x.example", "-H", "Access-Control-Request-Method: PUT")
# A policy, and who gets which answer. Users are of the groups and claims below.
CRITERIA = (
    ("method", allow({"http_method": "GET"}),
     (("anna", (), 200), (None, (), 200), (None, ("-X", "PUT"), 403), ("anna", ("-X", "POST"), 403))),
    ("path", allow({"http_path": {"starts_with": "/path/open/"}}),
     ((None, (), 403), (None, ("path", "/path/open/x"), 200), (None, ("path", "/path/open/../x"), 403),
      (None, ("path", "/path/%6fpen/x"), 200))),
    ("here", allow({"source_ip": ["127.0.0.0/8", "::1"]}), ((None, (), 200),)),
    ("there", allow({"source_ip": "10.0.0.0/8"}), ((None, (), 403), (None, ("-H", "X-Forwarded-For: 10.0.0.1"), 403))),
    ("claim", allow({"claim/team.role": "lead"}), (("anna", (), 200), ("berta", (), 403), (None, (), 401))),
    ("groups", allow({"groups": {"has": "admins"}}), (("anna", (), 200), ("berta", (), 403), (None, (), 401))),
    ("domain", allow({"domain": "other.example"}), (("anna", (), 403), ("carl", (), 200))),
    ("user", allow({"user": {"in": ["berta"]}}), (("anna", (), 403), ("berta", (), 200))),
    ("anyone", allow({"authenticated_user": True}), (("anna", (), 200), ("carl", (), 200), (None, (), 401))),
    ("preflight", allow({"cors_preflight": True}, {"user": "anna"}),
     ((None, PREFLIGHT, 200), ("anna", (), 200), ("berta", (), 403), (None, PREFLIGHT[:2], 401))),
    ("deny", allow({"accept": True}, deny={"or": [{"email": {"ends_with": "@other.example"}}]}),
     (("anna", (), 200), ("carl", (), 403), (None, (), 401))),
    ("both", [{"allow": {"and": [{"http_method": "POST"}, {"groups": "staff"}]}}],
     (("berta", ("-X", "POST"), 200), ("berta", (), 403), ("carl", ("-X", "POST"), 403), (None, ("-X", "POST"), 401))),
    ("nor", [{"allow": {"not": [{"groups": "admins"}, {"http_method": "DELETE"}]}}],
     (("berta", (), 200), ("anna", (), 403), ("berta", ("-X", "DELETE"), 403))),
    ("past", allow({"date": {"before": "2020-01-01T00:00:00Z"}}), ((None, (), 403),)),
    ("now", allow({"date": {"after": "2020-01-01T00:00:00Z"}}), ((None, (), 200),)),
    ("closed", [], (("anna", (), 403), (None, (), 403))),
)


@case()
def criteria(t):
    """Each criterion with real requests, over both protocols."""
    key, url = Key("k"), t.service().url
    proxy = t.proxy(t.config([guarded(url, prefix=f"/{name}", policy=policy) for name, policy, _ in CRITERIA],
                             jwt_providers=local(key)))
    tokens = {"anna": key.token("anna", groups=["staff", "admins"], team={"role": ["member", "lead"]}),
              "berta": key.token("berta", groups=["staff"], team={"role": "member"}),
              "carl": key.token("carl", email="carl@other.example")}
    for name, _, rows in CRITERIA:
        for who, arguments, status in rows:
            path = f"/{name}"
            if arguments[:1] == ("path",):
                path, arguments = arguments[1], ("--path-as-is",)
            for version in ("--http1.1", "--http2"):
                found = t.status(version, *(bearer(tokens[who]) if who else ()), *arguments, proxy=proxy, path=path)
                equal(found, status, f"{name}: {who} {arguments} {path} {version}")


@case()
def shorthand_keys(t):
    """A route's keys beside its policy, each alone and one beside a denying policy."""
    key, url = Key("k"), t.service().url
    deny = [{"deny": {"or": [{"user": "anna"}]}}]
    routes = (("any", {"allow_any_authenticated_user": True}, {"anna": 200, "carl": 200, None: 401}),
              ("users", {"allowed_users": ["anna@example.com", "carl"]},
               {"anna": 200, "berta": 403, "carl": 200, None: 401}),
              ("domains", {"allowed_domains": ["example.com"]}, {"anna": 200, "carl": 403, None: 401}),
              ("claims", {"allowed_idp_claims": {"team": ["red", "blue"]}}, {"anna": 200, "berta": 403}),
              ("public", {"allow_public_unauthenticated_access": True}, {None: 200}),
              ("denied", {"allow_any_authenticated_user": True, "policy": deny}, {"anna": 403, "berta": 200, None: 401}),
              ("nobody", {"policy": []}, {"anna": 403, None: 403}))
    proxy = t.proxy(t.config([{"from": "https://app.localhost", "to": url, "prefix": f"/{name}", **keys}
                              for name, keys, _ in routes], jwt_providers=local(key)))
    tokens = {"anna": key.token("anna", team="blue"), "berta": key.token("berta", team="green"),
              "carl": key.token("carl", email="carl@other.example")}
    for name, _, rows in routes:
        for who, status in rows.items():
            found = t.status(*(bearer(tokens[who]) if who else ()), proxy=proxy, path=f"/{name}")
            equal(found, status, f"{name}: {who}")


@case()
def faults_are_told_with_their_place(t):
    """A policy that means something else than its author thinks is refused at load."""
    text = """address: 127.0.0.1:0
insecure_server: true
routes:
  - from: https://app.localhost
    to: http://127.0.0.1:1
    policy:
      - allow:
          or:
            - email: {starts-with: a}
            - user: no
            - devise: x
          and: {groups: a}
"""
    code, out = t.check_config(text)
    equal(code, 1, "exit code")
    for line, word in ((9, "starts-with"), (10, ""), (11, "devise"), (12, "")):
        check(re.search(rf"checked\.yaml:{line}:\d+: .*{word}", out), f"line {line} is not in: {out}")
