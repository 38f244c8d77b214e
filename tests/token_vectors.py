#!/usr/bin/env python3
"""Writes token_vectors.h: tokens, good and bad, made with PyJWT and cryptography (python3-jwt, python3-cryptography).

The header is kept, so that building and testing need no Python packages. Run again: new keys, the same rows.
"""
import base64
import hashlib
import hmac
import json
import pathlib

import jwt
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa

NOW = 1_700_000_000
CLAIMS = {
    "iss": "https://issuer.example", "aud": "cardea", "sub": "user-1", "exp": NOW + 600, "iat": NOW - 10,
    "email": "a@example.com", "groups": ["staff", "ops"],
}
KEYS = {
    "rsa": rsa.generate_private_key(65537, 2048),
    "p256": ec.generate_private_key(ec.SECP256R1()),
    "p384": ec.generate_private_key(ec.SECP384R1()),
    "p521": ec.generate_private_key(ec.SECP521R1()),
    "ed": ed25519.Ed25519PrivateKey.generate(),
}
STRANGER = rsa.generate_private_key(65537, 2048)
ALGORITHMS = {
    "RS256": "rsa", "RS384": "rsa", "RS512": "rsa", "PS256": "rsa", "PS384": "rsa", "PS512": "rsa",
    "ES256": "p256", "ES384": "p384", "ES512": "p521", "EdDSA": "ed",
}


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value, size=None):
    return b64(value.to_bytes(size or (value.bit_length() + 7) // 8, "big"))


def jwk(key):
    public = key.public_key()
    if isinstance(public, rsa.RSAPublicKey):
        n = public.public_numbers()
        return {"kty": "RSA", "n": number(n.n), "e": number(n.e)}
    if isinstance(public, ec.EllipticCurvePublicKey):
        n, size = public.public_numbers(), (public.curve.key_size + 7) // 8
        curve = {256: "P-256", 384: "P-384", 521: "P-521"}[public.curve.key_size]
        return {"kty": "EC", "crv": curve, "x": number(n.x, size), "y": number(n.y, size)}
    raw = public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return {"kty": "OKP", "crv": "Ed25519", "x": b64(raw)}


def key_set(ids):
    return json.dumps({"keys": [{**jwk(key), **({"kid": name, "use": "sig"} if ids else {})} for name, key in KEYS.items()]})


def by_hand(header, sign, payload=None):
    """A token whose signature is what sign(signing input) gives."""
    text = b64(json.dumps(header).encode()) + "." + b64(json.dumps(payload or CLAIMS).encode())
    return text + "." + b64(sign(text.encode()))


def ecdsa(key, digest, raw_size=None):
    def sign(text):
        der = key.sign(text, ec.ECDSA(digest))
        if raw_size is None:
            return der
        from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
        r, s = decode_dss_signature(der)
        return r.to_bytes(raw_size, "big") + s.to_bytes(raw_size, "big")
    return sign


def pss(salt):
    return lambda text: KEYS["rsa"].sign(text, padding.PSS(padding.MGF1(hashes.SHA256()), salt), hashes.SHA256())


def other_mask(text):
    return KEYS["rsa"].sign(text, padding.PSS(padding.MGF1(hashes.SHA1()), 32), hashes.SHA256())


def mac(secret):
    return lambda text: hmac.new(secret, text, hashlib.sha256).digest()


def rows():
    for algorithm, name in ALGORITHMS.items():
        yield algorithm, jwt.encode(CLAIMS, KEYS[name], algorithm, headers={"kid": name}), "none"
    for algorithm, name in ALGORITHMS.items():
        yield algorithm + " without kid", jwt.encode(CLAIMS, KEYS[name], algorithm), "none"
    for name in ("none", "None", "NONE", "nOnE"):
        yield name, by_hand({"alg": name, "typ": "JWT"}, lambda text: b""), "algorithm"
    yield "none with a kid", by_hand({"alg": "none", "kid": "rsa"}, lambda text: b""), "algorithm"
    yield "none with a signature", by_hand({"alg": "none", "kid": "p256"}, ecdsa(KEYS["p256"], hashes.SHA256(), 32)), "algorithm"

    public = KEYS["rsa"].public_key()
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    modulus = public.public_numbers().n.to_bytes(256, "big")
    for what, secret in (("PEM", pem), ("PEM without newline", pem.strip()), ("DER", der), ("modulus", modulus), ("nothing", b"")):
        yield "HS256 with the public key's " + what, by_hand({"alg": "HS256", "kid": "rsa"}, mac(secret)), "algorithm"
    yield "HS256 without kid", by_hand({"alg": "HS256"}, mac(pem)), "algorithm"
    yield "RS256 made with HMAC", by_hand({"alg": "RS256", "kid": "rsa"}, mac(pem)), "signature"

    rs256 = lambda text: KEYS["rsa"].sign(text, padding.PKCS1v15(), hashes.SHA256())
    yield "RS256 with an EC key", by_hand({"alg": "RS256", "kid": "p256"}, rs256), "algorithm"
    yield "ES256 with an RSA key", by_hand({"alg": "ES256", "kid": "rsa"}, ecdsa(KEYS["p256"], hashes.SHA256(), 32)), "algorithm"
    yield "ES256 with the P-384 key", by_hand({"alg": "ES256", "kid": "p384"}, ecdsa(KEYS["p384"], hashes.SHA256(), 48)), "algorithm"
    yield "ES256 by P-384 without kid", by_hand({"alg": "ES256"}, ecdsa(KEYS["p384"], hashes.SHA256(), 48)), "signature"
    yield "ES384 with the P-256 key", by_hand({"alg": "ES384", "kid": "p256"}, ecdsa(KEYS["p256"], hashes.SHA384(), 32)), "algorithm"
    yield "ES512 with the P-384 key", by_hand({"alg": "ES512", "kid": "p384"}, ecdsa(KEYS["p384"], hashes.SHA512(), 48)), "algorithm"
    yield "EdDSA with the P-256 key", by_hand({"alg": "EdDSA", "kid": "p256"}, KEYS["ed"].sign), "algorithm"
    yield "EdDSA by Ed448", by_hand({"alg": "EdDSA"}, ed448.Ed448PrivateKey.generate().sign), "signature"
    yield "ES256 over SHA-384", by_hand({"alg": "ES256", "kid": "p256"}, ecdsa(KEYS["p256"], hashes.SHA384(), 32)), "signature"
    yield "ES256 in DER", by_hand({"alg": "ES256", "kid": "p256"}, ecdsa(KEYS["p256"], hashes.SHA256())), "signature"
    yield "ES256 with halves of 33 octets", by_hand({"alg": "ES256", "kid": "p256"}, ecdsa(KEYS["p256"], hashes.SHA256(), 33)), "signature"
    yield "ES256 r = s = 0", by_hand({"alg": "ES256", "kid": "p256"}, lambda text: bytes(64)), "signature"
    yield "ES384 r = s = 0", by_hand({"alg": "ES384", "kid": "p384"}, lambda text: bytes(96)), "signature"
    yield "ES512 r = s = 0", by_hand({"alg": "ES512", "kid": "p521"}, lambda text: bytes(132)), "signature"
    yield "ES256 r = s = 1", by_hand({"alg": "ES256", "kid": "p256"}, lambda text: (bytes(31) + b"\1") * 2), "signature"
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    yield "ES256 r = s = the order", by_hand({"alg": "ES256", "kid": "p256"}, lambda text: order.to_bytes(32, "big") * 2), "signature"
    yield "ES256 all ones", by_hand({"alg": "ES256", "kid": "p256"}, lambda text: b"\xff" * 64), "signature"
    yield "EdDSA of zeros", by_hand({"alg": "EdDSA", "kid": "ed"}, lambda text: bytes(64)), "signature"
    yield "RS256 of zeros", by_hand({"alg": "RS256", "kid": "rsa"}, lambda text: bytes(256)), "signature"
    yield "RS256 of ones", by_hand({"alg": "RS256", "kid": "rsa"}, lambda text: b"\xff" * 256), "signature"
    yield "RS256 one octet short", by_hand({"alg": "RS256", "kid": "rsa"}, lambda text: rs256(text)[:-1]), "signature"
    yield "RS256 with a zero in front", by_hand({"alg": "RS256", "kid": "rsa"}, lambda text: b"\0" + rs256(text)), "signature"
    yield "RS256 called PS256", by_hand({"alg": "PS256", "kid": "rsa"}, rs256), "signature"
    yield "PS256 called RS256", by_hand({"alg": "RS256", "kid": "rsa"}, pss(32)), "signature"
    yield "RS256 called RS512", by_hand({"alg": "RS512", "kid": "rsa"}, rs256), "signature"
    yield "PS256 by hand", by_hand({"alg": "PS256", "kid": "rsa"}, pss(32)), "none"
    yield "PS256 without salt", by_hand({"alg": "PS256", "kid": "rsa"}, pss(0)), "signature"
    yield "PS256 with a salt of 20", by_hand({"alg": "PS256", "kid": "rsa"}, pss(20)), "signature"
    yield "PS256 with the longest salt", by_hand({"alg": "PS256", "kid": "rsa"}, pss(padding.PSS.MAX_LENGTH)), "signature"
    yield "PS256 with another mask", by_hand({"alg": "PS256", "kid": "rsa"}, other_mask), "signature"

    stranger = lambda text: STRANGER.sign(text, padding.PKCS1v15(), hashes.SHA256())
    theirs = jwk(STRANGER)
    yield "a stranger's key", by_hand({"alg": "RS256", "kid": "rsa"}, stranger), "signature"
    yield "a stranger's key in jwk", by_hand({"alg": "RS256", "jwk": theirs}, stranger), "signature"
    yield "a stranger's key in jwk with a kid", by_hand({"alg": "RS256", "kid": "rsa", "jwk": theirs}, stranger), "signature"
    yield "a stranger's key in jwk with its kid", by_hand({"alg": "RS256", "kid": "x", "jwk": {**theirs, "kid": "x"}}, stranger), "unknown_key"
    yield "jku", by_hand({"alg": "RS256", "jku": "http://127.0.0.1:1/keys"}, stranger), "signature"
    yield "x5u", by_hand({"alg": "RS256", "x5u": "http://127.0.0.1:1/chain"}, stranger), "signature"
    yield "x5c", by_hand({"alg": "RS256", "x5c": [base64.b64encode(der).decode()]}, stranger), "signature"
    yield "jku, jwk, x5u and x5c are ignored", by_hand(
        {"alg": "RS256", "kid": "rsa", "jku": "http://127.0.0.1:1/", "jwk": theirs, "x5u": "", "x5c": []}, rs256), "none"
    for kid in ("../../../../dev/null", "x' UNION SELECT 'key", "rsa\0", "RSA", "rsa ", "", "|/bin/true", "rsa'--"):
        yield "kid " + repr(kid), by_hand({"alg": "RS256", "kid": kid}, rs256), "malformed" if "\0" in kid else "unknown_key"
    for kid in (1, None, True, ["rsa"], {"kid": "rsa"}):
        yield "kid " + json.dumps(kid), by_hand({"alg": "RS256", "kid": kid}, rs256), "malformed"


def literal(text):
    """A C++ string literal, in pieces of a line's length."""
    pieces = [text[i:i + 110] for i in range(0, len(text), 110)] or [""]
    return "\n    ".join('"' + p.replace("\\", "\\\\").replace('"', '\\"') + '"' for p in pieces)


out = ['''// Made by token_vectors.py: tokens of another library. Nothing here is secret.
#pragma once

#include <cstdint>

// clang-format off
constexpr int64_t kVectorTime = %d;  // Unix seconds at which they are judged
constexpr char kVectorKeys[] =
    %s;
constexpr char kVectorKeysWithoutIds[] =
    %s;
constexpr struct {
  const char *name, *token, *fault;
} kVectors[] = {''' % (NOW, literal(key_set(True)), literal(key_set(False)))]
for row_name, token, fault in rows():
    out.append("  {%s,\n    %s, \"%s\"}," % (literal(row_name), literal(token), fault))
out.append("};\n// clang-format on\n")
pathlib.Path(__file__).with_name("token_vectors.h").write_text("\n".join(out))
