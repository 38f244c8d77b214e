"""Both ends of WebSockets, by Python's `websockets`: clients of the proxy, and a service that sends back what it gets."""
import asyncio
import concurrent.futures
import ssl
import threading
import time

import websockets

from harness import Failure, equal


class Sockets:
    """A loop on a thread of its own; cases call in from theirs."""

    def __init__(self, t):
        self.t = t
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.server = None
        self.left = {}  # the name that a client gave in its path: the close code that the service got
        t.stack.callback(self.close)

    def close(self):
        self.run(self.stop())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
        self.loop.close()

    async def stop(self):
        if self.server:
            self.server.close()
            await self.server.wait_closed()
        pending = asyncio.all_tasks() - {asyncio.current_task()}
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)

    def run(self, coroutine, seconds=30):
        try:
            return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(seconds)
        except concurrent.futures.TimeoutError:
            raise Failure(f"a WebSocket did not answer in {seconds} s")

    def serve(self):
        """Starts the service; gives its URL."""
        async def start():
            self.server = await websockets.serve(self.echo, "127.0.0.1", 0, ping_interval=None)
            return self.server.sockets[0].getsockname()[1]
        return f"http://127.0.0.1:{self.run(start())}"

    async def echo(self, socket):
        try:
            async for message in socket:
                await socket.send(message)
        except websockets.ConnectionClosed:
            pass
        self.left[socket.path.strip("/")] = socket.close_code

    async def connect(self, proxy, name, token, host, **keys):
        tls = None
        if proxy.addresses[0].startswith("https"):
            tls = ssl.create_default_context(cafile=self.t.certs.ca)
            keys["server_hostname"] = host
        socket = await websockets.connect(
            f"{'wss' if tls else 'ws'}://{host}:{proxy.port()}/{name}", host="127.0.0.1", port=proxy.port(), ssl=tls,
            extra_headers={"Authorization": f"Bearer {token}"} if token else {}, ping_interval=None, open_timeout=30,
            **keys)
        return Socket(self, socket)

    def open(self, proxy, name, token=None, host="app.localhost", **keys):
        return self.run(self.connect(proxy, name, token, host, **keys))

    def open_all(self, proxy, tokens):
        """One for each name of `tokens`; gives them by name."""
        async def every():
            gate = asyncio.Semaphore(20)

            async def one(name, token):
                async with gate:
                    return name, await self.connect(proxy, name, token, "app.localhost")
            return dict(await asyncio.gather(*(one(*pair) for pair in tokens.items())))
        return self.run(every(), 60)

    async def ask_all(self, live, text, farewells=tuple):
        """Every one of them says `text` and hears it again, or was closed with one of the codes that `farewells()` gives."""
        async def one(name, socket):
            try:
                equal(await asyncio.wait_for(socket.ask(text), 20), text, f"the echo to {name}")
            except (asyncio.TimeoutError, TimeoutError):
                raise Failure(f"no echo to {name} in 20 s")
            except websockets.ConnectionClosed as closed:
                if socket.socket.close_code not in farewells():
                    raise Failure(f"the WebSocket {name} is closed: {closed}")
        await asyncio.gather(*(one(*pair) for pair in live.items()))

    def refused(self, proxy, name, token=None, **keys):
        """The status with which a WebSocket is refused."""
        try:
            self.open(proxy, name, token, **keys)
        except websockets.InvalidStatusCode as refusal:
            return refusal.status_code
        raise Failure(f"the WebSocket {name} was let in")


class Socket:
    """An open WebSocket. `ended_at` is the moment at which it closed, on the monotonic clock."""

    def __init__(self, sockets, socket):
        self.sockets, self.socket = sockets, socket
        self.ended_at = None
        asyncio.create_task(self.watch())

    async def watch(self):
        await self.socket.wait_closed()
        self.ended_at = time.monotonic()

    async def ask(self, text):
        await self.socket.send(text)
        return await self.socket.recv()

    def check_lives(self, text="still here"):
        """What is sent comes back."""
        try:
            equal(self.sockets.run(self.ask(text), 10), text, "the echo")
        except websockets.ConnectionClosed as closed:
            raise Failure(f"the WebSocket is closed: {closed}")

    def ended(self):
        return self.ended_at is not None

    def closed(self):
        """(code, reason) of the close frame that ended it."""
        return self.socket.close_code, self.socket.close_reason
