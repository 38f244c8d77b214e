"""Who vouches for users: keys of every kind that PyJWT signs with, their key sets, and a service that gives them out.

PyJWT makes and checks all tokens here: another library than the proxy's."""
import base64
import json
import time

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from raw import Upstream

ISSUER = "https://idp.example"
AUDIENCE = "app"
LIFETIME = 600


def base64url(number, size=None):
    """A number or bytes as a JWK has them."""
    if isinstance(number, int):
        number = number.to_bytes(size or (number.bit_length() + 7) // 8, "big")
    return base64.urlsafe_b64encode(number).rstrip(b"=").decode()


class Key:
    """A private key and its JWK."""

    def __init__(self, kid, algorithm="ES256"):
        self.kid, self.algorithm = kid, algorithm
        if algorithm[:2] in ("RS", "PS"):
            self.private = rsa.generate_private_key(65537, 2048)
            numbers = self.private.public_key().public_numbers()
            self.public = {"kty": "RSA", "n": base64url(numbers.n), "e": base64url(numbers.e)}
        elif algorithm == "EdDSA":
            self.private = ed25519.Ed25519PrivateKey.generate()
            raw = self.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
            self.public = {"kty": "OKP", "crv": "Ed25519", "x": base64url(raw)}
        else:
            curve = {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1()}[algorithm]
            self.private = ec.generate_private_key(curve)
            numbers, size = self.private.public_key().public_numbers(), (curve.key_size + 7) // 8
            self.public = {"kty": "EC", "crv": {256: "P-256", 384: "P-384", 521: "P-521"}[curve.key_size],
                           "x": base64url(numbers.x, size), "y": base64url(numbers.y, size)}

    def jwk(self):
        return {"kid": self.kid, "alg": self.algorithm, "use": "sig", **self.public}

    def token(self, user, seconds=LIFETIME, headers=None, **claims):
        """A token of this user; a claim of None is left out."""
        now = int(time.time())
        every = {"iss": ISSUER, "aud": AUDIENCE, "sub": user, "email": f"{user}@example.com", "iat": now,
                 "exp": now + seconds, **claims}
        return jwt.encode({name: value for name, value in every.items() if value is not None}, self.private,
                          self.algorithm, headers={"kid": self.kid, **(headers or {})})


def key_set(*keys):
    return json.dumps({"keys": [key.jwk() for key in keys]})


def provider(**where):
    """jwt_providers with one provider whose keys come from `where`."""
    return {"idp": {"issuer": ISSUER, "audiences": [AUDIENCE], "clock_skew_seconds": 0, **where}}


def local(*keys):
    return provider(local_jwks={"inline_string": key_set(*keys)})


def bearer(token):
    return "-H", f"Authorization: Bearer {token}"


def guarded(to, host="app.localhost", **keys):
    """A route for whoever is signed in, unless `keys` say who."""
    if not any(name in keys for name in ("policy", "allowed_users", "allowed_domains", "allowed_groups",
                                         "allowed_idp_claims", "allow_public_unauthenticated_access")):
        keys["allow_any_authenticated_user"] = True
    return {"from": f"https://{host}", "to": to, **keys}


def allow(*criteria, **more):
    """A policy with one rule: any of these."""
    return [{"allow": {"or": list(criteria)}, **more}]


def users(*names):
    """A policy that lets these users pass."""
    return allow({"email": {"in": [f"{name}@example.com" for name in names]}})


class KeyService(Upstream):
    """Gives out whatever `keys` it holds now."""

    def __init__(self, t, *keys):
        self.keys = keys
        super().__init__(t, lambda seen, sock: self.answer())

    def answer(self):
        body = key_set(*self.keys).encode()
        return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)

    def provider(self, **keys):
        return provider(remote_jwks={"uri": self.url + "/keys.json", **keys})
