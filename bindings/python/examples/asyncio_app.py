"""An asyncio application that puts its own service behind Cardea: python3 asyncio_app.py [ADDRESS]

The service listens on a unix socket that only Cardea reaches. Who may pass is asked of a coroutine, which looks up the session; whoever
signs out loses what is open at once. SIGTERM drains.

    curl -i -H 'Authorization: Bearer ann-1' http://127.0.0.1:8080/            hello ann@example.com
    curl -i http://127.0.0.1:8080/                                             403
    curl -N -H 'Authorization: Bearer ann-1' http://127.0.0.1:8080/clock       a line a second, until ...
    curl -i -H 'Authorization: Bearer ann-1' -X POST http://127.0.0.1:8080/sign-out
"""

import asyncio
import os
import signal
import sys
import tempfile

import cardea


class Sessions:
    """Stands for a database: every look-up takes a while."""

    def __init__(self) -> None:
        self._users = {"ann-1": "ann@example.com", "bob-1": "bob@example.com"}

    async def user_of(self, token: str) -> str | None:
        await asyncio.sleep(0.001)
        return self._users.get(token)

    async def sign_out(self, user: str) -> None:
        await asyncio.sleep(0.001)
        self._users = {token: who for token, who in self._users.items() if who != user}


class App:
    """The application's own service and its rule for who may pass."""

    def __init__(self) -> None:
        self.sessions = Sessions()
        self.proxy: cardea.Proxy | None = None

    async def authorize(self, request: cardea.Request) -> cardea.Identity | bool:
        scheme, _, token = (request.header("authorization") or "").partition(" ")
        user = await self.sessions.user_of(token) if scheme.lower() == "bearer" else None
        return cardea.Identity(user, email=user) if user else False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                method, path, _ = head[0].split(" ")
                headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
                await self.answer(method, path, headers["x-user"], writer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # the client, Cardea or the program has ended
        finally:
            writer.close()

    async def answer(self, method: str, path: str, user: str, writer: asyncio.StreamWriter) -> None:
        if path == "/clock":
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            while True:  # until the connection ends
                writer.write(b"5\r\ntick\n\r\n")
                await writer.drain()
                await asyncio.sleep(1)
        body = f"hello {user}\n"
        if (method, path) == ("POST", "/sign-out"):
            await self.sessions.sign_out(user)
            assert self.proxy is not None
            self.proxy.reauthorize(user=user)  # asks about everything that is open
            body = f"goodbye {user}\n"
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
        await writer.drain()


async def main(address: str) -> None:
    app = App()
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "app.sock")
        service = await asyncio.start_unix_server(app.serve, path)
        config = cardea.Config(
            listeners=[cardea.Listener(address)],
            routes=[
                cardea.Route(
                    "http://*",
                    policy=cardea.Policy.host(),
                    cluster=cardea.Cluster("http+unix://" + path),
                    pass_identity_headers=True,
                    jwt_claims_headers={"X-User": "email"},
                )
            ],
        )
        app.proxy = cardea.Proxy(config, authorize=app.authorize)
        ended = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
        async with cardea.Worker(app.proxy) as worker:
            print("serving http://" + worker.addresses[0], flush=True)
            await ended.wait()
            await app.proxy.drain(5)
        service.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:8080"))
