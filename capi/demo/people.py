"""The demo's users: a key that vouches for them, their tokens, and a WebSocket of each.

The key and the tokens are made with `openssl`; in the world an identity provider does that."""
import asyncio
import base64
import json
import os
import re
import ssl
import subprocess
import time

ISSUER = "https://idp.localhost"


def base64url(content):
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def openssl(*arguments, stdin=None):
    return subprocess.run(["openssl", *arguments], input=stdin, capture_output=True, check=True).stdout


def make_keys(folder):
    """The provider's private key and the set of its public ones (RFC 7517); kept for the next time."""
    os.makedirs(folder, exist_ok=True)
    key = os.path.join(folder, "provider.key")
    if not os.path.exists(key):
        openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", key + ".new")
        os.rename(key + ".new", key)
    modulus = openssl("rsa", "-in", key, "-noout", "-modulus").decode().strip().split("=")[1]
    public = {"kty": "RSA", "kid": "demo", "alg": "RS256", "use": "sig", "n": base64url(bytes.fromhex(modulus)),
              "e": base64url((65537).to_bytes(3, "big"))}
    with open(os.path.join(folder, "keys.json"), "w") as out:
        json.dump({"keys": [public]}, out)
    return key


def token(key, user, seconds=12 * 3600):
    """A JSON Web Token, RS256."""
    now = int(time.time())
    claims = {"iss": ISSUER, "aud": "demo", "sub": user, "email": f"{user}@example.com", "iat": now,
              "exp": now + seconds}
    parts = [base64url(json.dumps(part).encode()) for part in ({"alg": "RS256", "kid": "demo"}, claims)]
    signed = ".".join(parts)
    return signed + "." + base64url(openssl("dgst", "-sha256", "-sign", key, stdin=signed.encode()))


class Room:
    """WebSockets of several users, and a line for each thing that happens to them."""

    def __init__(self, demo, tell):
        self.demo, self.tell = demo, tell
        self.sockets, self.began = {}, time.monotonic()

    def event(self, who, what):
        self.tell(f"{time.monotonic() - self.began:6.2f} s  {who:14} {what}")

    async def enter(self, user):
        import websockets  # what serves without the tour does without it
        port = self.demo.ports["tls"]
        self.sockets[user] = await websockets.connect(
            f"wss://app.localhost:{port}/live/socket", host="127.0.0.1", port=port, server_hostname="app.localhost",
            ssl=ssl.create_default_context(cafile=self.demo.ca),
            extra_headers={"Authorization": f"Bearer {token(self.demo.key, user)}"})
        self.event(user, "opens a WebSocket")

    async def echo(self, user, text):
        """Says something; true when it came back."""
        await self.sockets[user].send(text)
        answer = await asyncio.wait_for(self.sockets[user].recv(), 5)
        self.event(user, f"sends «{text}», gets «{answer}»")
        return answer == text

    async def closed(self, user, seconds):
        """The close code; None when it stays open so long."""
        try:
            await asyncio.wait_for(self.sockets[user].wait_closed(), seconds)
        except asyncio.TimeoutError:
            self.event(user, "is still there")
            return None
        socket = self.sockets[user]
        self.event(user, f"is closed with {socket.close_code} «{socket.close_reason}»")
        return socket.close_code

    async def leave(self):
        for socket in self.sockets.values():
            await socket.close()

    def allow(self, *users):
        """Writes the policy of /live anew, in the file that the proxy watches."""
        with open(self.demo.config) as config:
            text = config.read()
        names = ", ".join(f"{user}@example.com" for user in users)
        text, count = re.subn(r"(email: \{in: \[)[^]]*", r"\g<1>" + names, text)
        assert count == 1, "the policy of /live is not where it was"
        with open(self.demo.config + ".new", "w") as out:
            out.write(text)
        os.rename(self.demo.config + ".new", self.demo.config)
        self.event("the file", f"allows {', '.join(users)} now")
