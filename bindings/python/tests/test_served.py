"""Requests that the host serves: whole answers, pieces, bodies, whoever leaves, what goes wrong; listening sockets; the clock."""

import asyncio
import contextlib
import hashlib
import threading
import time
import unittest

from support import Client, LoopCase, cardea, get, get_blocking, until, until_blocking

PIECE = b"0123456789abcdef" * 4096


def served_config(address="127.0.0.1:0", policy=None, **options):
    return cardea.Config(
        listeners=[cardea.Listener(address)],
        routes=[cardea.Route("http://app.test", name="own", policy=policy or cardea.Policy.public(), served_by_host=True)],
        **options,
    )


async def chunks(client):
    """A chunked body and its trailers."""
    body = b""
    while size := int(await client.reader.readline(), 16):
        body += await client.reader.readexactly(size)
        await client.reader.readexactly(2)
    trailers = ""
    while (line := (await client.reader.readline()).decode()) != "\r\n":
        trailers += line
    return body, trailers


class ServedCase(LoopCase):
    def served(self, handler, **hooks):
        return self.serving(served_config(), serve=handler, **hooks)


class Answers(ServedCase):
    async def test_whole_answers(self):
        started = []

        async def serve(request):
            await asyncio.sleep(0)
            self.assertEqual((request.method, request.host, request.query, request.route), ("GET", "app.test", "?q", "own"))
            headers = [("x-two", "1"), ("x-two", "2"), ("x-byte", request.header("x-byte"))]
            return cardea.Answer(418, headers, f"hello {request.path}")

        async with self.served(serve, on_request_start=lambda r: started.append(r.route)):
            answer = await get(self.at, "/p?q", **{"x-byte": "é"})
        self.assertEqual((answer.status, answer.body, started), (418, "hello /p", ["own"]))
        self.assertEqual(self.errors, [])

    async def test_a_plain_function_answers_too(self):
        async with self.served(lambda request: cardea.Answer(body=request.identity or b"nobody")):
            self.assertEqual((await get(self.at)).body, "nobody")

    async def test_an_identity_is_known(self):
        config = served_config(policy=cardea.Policy.host())
        hooks = {"serve": lambda r: cardea.Answer(body=r.identity), "authorize": lambda r: cardea.Identity("ann")}
        async with self.serving(config, **hooks):
            self.assertEqual((await get(self.at)).body, "ann")

    async def test_head(self):
        async with self.served(lambda request: cardea.Answer(body="four")):
            client = await Client.to(self.at)
            client.writer.write(b"HEAD / HTTP/1.1\r\nHost: app.test\r\n\r\nGET / HTTP/1.1\r\nHost: app.test\r\n\r\n")
            status, headers = await client.head()
            self.assertEqual((status, headers["content-length"]), (200, "4"))
            self.assertEqual((await client.answer()).body, "four")
            client.close()

    async def test_pieces_with_hints_and_trailers(self):
        async def serve(request):
            await request.begin(103, {"link": "</a.css>"})
            await request.begin(200, {"x-own": "yes"})
            await request.write("one ")
            await request.write(b"two")
            await request.end({"x-sum": "7"})
            with self.assertRaises(cardea.StaleError):
                await request.write("late")

        async with self.served(serve):
            client = await Client.to(self.at)
            await client.send("/")
            status, headers = await client.head()
            self.assertEqual((status, headers["link"]), (103, "</a.css>"))
            status, headers = await client.head()
            self.assertEqual((status, headers["x-own"]), (200, "yes"))
            body, trailers = await chunks(client)
            self.assertEqual((body, trailers.lower()), (b"one two", "x-sum: 7\r\n"))
            client.close()
        self.assertEqual(self.errors, [])


class Bodies(ServedCase):
    async def test_megabytes_both_ways(self):
        async def serve(request):
            await request.begin()
            async for piece in request.body():
                await request.write(piece)

        async with self.served(serve):
            client = await Client.to(self.at)
            client.writer.write(b"POST / HTTP/1.1\r\nHost: app.test\r\nContent-Length: %d\r\n\r\n" % (len(PIECE) * 128))

            async def send():
                for _ in range(128):
                    client.writer.write(PIECE)
                    await client.writer.drain()

            sending = asyncio.create_task(send())
            self.assertEqual((await client.head())[0], 200)
            body, _ = await chunks(client)
            await sending
            self.assertEqual(hashlib.sha256(body).digest(), hashlib.sha256(PIECE * 128).digest())
            client.close()
        self.assertEqual(self.errors, [])

    async def test_a_slow_client_is_waited_for(self):
        written, count = [], 512

        async def serve(request):
            await request.begin(200, {"content-length": str(len(PIECE) * count)})
            for _ in range(count):
                await request.write(PIECE)
                written.append(len(PIECE))

        async with self.served(serve):
            client = await Client.to(self.at)
            await client.send("/")
            await client.head()
            last, since = -1, time.monotonic()

            def waits():
                nonlocal last, since
                if len(written) != last:
                    last, since = len(written), time.monotonic()
                return last > 0 and time.monotonic() - since > 0.2

            await until(waits)
            self.assertLess(last, count)
            body = await client.reader.readexactly(len(PIECE) * count)
            self.assertEqual(body[-len(PIECE) :], PIECE)
            client.close()
        self.assertEqual(self.errors, [])


class Ends(ServedCase):
    async def test_whoever_leaves_cancels(self):
        begun, ended = [], []

        async def serve(request):
            begun.append(request)
            try:
                if request.path == "/wait":
                    await asyncio.Event().wait()
                elif request.path == "/read":
                    await request.read()
                else:
                    await request.begin()
                    while True:
                        await request.write(PIECE)
            except asyncio.CancelledError:
                ended.append(request.path)
                raise

        async with self.served(serve):
            for i, path in enumerate(("/wait", "/read", "/write")):
                client = await Client.to(self.at)
                head = f"POST {path} HTTP/1.1\r\nHost: app.test\r\nContent-Length: 10\r\n\r\n"
                client.writer.write(head.encode())
                await until(lambda: len(begun) == i + 1)  # noqa: B023
                client.reset()
                await until(lambda: len(ended) == i + 1)  # noqa: B023
            await until(lambda: self.proxy.pending == 0)
            with self.assertRaises(cardea.StaleError):
                await begun[0].begin()
        self.assertEqual((ended, self.errors), (["/wait", "/read", "/write"], []))

    async def test_what_goes_wrong_gives_up(self):
        async def serve(request):
            if request.path == "/raise":
                raise ValueError("oops")
            if request.path == "/header":
                return cardea.Answer(headers={"bad name": "x"})
            if request.path == "/abort":
                request.abort()
            if request.path == "/other":
                return "text"
            if request.path == "/cut":
                await request.begin()
                await request.write("part")
                raise ValueError("oops")
            return None

        async with self.served(serve):
            for path in ("/raise", "/header", "/abort", "/other", "/nothing"):
                client = await Client.to(self.at)
                await client.send(path)
                self.assertEqual((await client.head())[0], 502, path)
                client.close()
            client = await Client.to(self.at)
            await client.send("/cut")
            got = await client.over()
            self.assertIn(b"part", got)
            self.assertFalse(got.endswith(b"0\r\n\r\n"))
        kinds = [type(error) for _, error in self.errors]
        self.assertEqual(kinds, [ValueError, cardea.InvalidArgumentError, TypeError, TypeError, ValueError])
        self.assertEqual({hook for hook, _ in self.errors}, {"serve"})

    async def test_no_more_than_max_pending(self):
        go = asyncio.Event()

        async def serve(request):
            await go.wait()
            return cardea.Answer()

        async with self.served(serve, max_pending=1):
            first = asyncio.create_task(get(self.at))
            await until(lambda: self.proxy.pending == 1)
            self.assertEqual((await get(self.at)).status, 503)
            go.set()
            self.assertEqual((await first).status, 200)
        self.assertIsInstance(self.errors[0][1], cardea.OverloadedError)

    async def test_nobody_serves(self):
        with self.assertRaisesRegex(cardea.ConfigError, "served_by_host"):
            async with self.serving(served_config()):
                pass

    async def test_time_is_what_the_host_says(self):
        now, ended = [1000.0], []

        async def serve(request):
            await asyncio.Event().wait()

        proxy = cardea.Proxy(served_config(), serve=serve, on_request_end=lambda r: ended.append(r.status))
        with self.assertRaises(TypeError):
            cardea.Worker(proxy, thread=True, clock=lambda: (1, 1))
        async with cardea.Worker(proxy, clock=lambda: (now[0], 1234567890.0)) as worker:
            client = await Client.to(worker.port())
            await client.send("/")
            await until(lambda: proxy.pending == 1)
            now[0] += 29.9  # default_upstream_timeout is 30 s
            worker.wakeup()
            await asyncio.sleep(0.05)
            self.assertEqual(ended, [])
            now[0] += 0.2
            worker.wakeup()
            status, headers = await client.head()
            self.assertEqual((status, headers["date"]), (504, "Fri, 13 Feb 2009 23:31:30 GMT"))
            client.close()

    async def test_listening_sockets_are_handed_over(self):
        first = cardea.Proxy(served_config(), serve=lambda r: cardea.Answer(body="first"))
        async with cardea.Worker(first) as old:
            (socket,) = first.listening_sockets()
            second = cardea.Proxy(served_config(old.addresses[0]), serve=lambda r: cardea.Answer(body="second"))
            second.adopt_listening(socket)
            self.assertEqual(socket.fileno(), -1)
            async with cardea.Worker(second) as new:
                self.assertEqual(new.addresses, old.addresses)
                await first.drain(5)
                self.assertEqual((await get(new.port())).body, "second")
                with self.assertRaises(cardea.InvalidArgumentError):
                    second.adopt_listening(-1)


class Threads(unittest.TestCase):
    def test_handlers_of_threads_run_in_the_loop_of_hooks(self):
        threads, left = set(), []

        async def serve(request):
            threads.add(threading.current_thread().name)
            if request.path == "/wait":
                try:
                    await asyncio.Event().wait()
                finally:
                    left.append(request.path)
            await request.begin()
            for _ in range(64):
                await request.write(PIECE)

        proxy = cardea.Proxy(served_config(), serve=serve)
        with cardea.Worker(proxy, thread=True) as worker, cardea.Worker(proxy, thread=True):
            for _ in range(4):
                status, body = get_blocking(worker.port())
                self.assertEqual((status, len(body)), (200, 64 * len(PIECE)))
            waiting = threading.Thread(target=lambda: contextlib.suppress(Exception) and get_blocking(worker.port(), "/wait"))
            waiting.start()
            until_blocking(lambda: proxy.pending == 1)
            self.assertEqual(proxy.end({}).result(10), 1)
            until_blocking(lambda: left)
            waiting.join()
        self.assertEqual(threads, {"cardea-hooks"})


class Asgi(ServedCase):
    async def test_an_application(self):
        async def app(scope, receive, send):
            if scope["path"] == "/fails":
                raise ValueError("oops")
            body = b""
            while (message := await receive())["more_body"]:
                body += message["body"]
            headers = [(b"content-type", b"text/plain"), (b"x-host", dict(scope["headers"])[b"host"])]
            await send({"type": "http.response.start", "status": 201, "headers": headers})
            if scope["query_string"] == b"pieces":
                await send({"type": "http.response.body", "body": b"one ", "more_body": True})
                await send({"type": "http.response.body", "body": b"two", "more_body": True})
                await send({"type": "http.response.body"})
            else:
                await send({"type": "http.response.body", "body": body + scope["path"].encode()})

        async with self.served(cardea.asgi(app)):
            client = await Client.to(self.at)
            client.writer.write(b"POST /%C3%A9 HTTP/1.1\r\nHost: app.test\r\nContent-Length: 4\r\n\r\nbody")
            answer = await client.answer()
            self.assertEqual((answer.status, answer.headers["x-host"], answer.body), (201, "app.test", "body/é"))
            await client.send("/?pieces")
            self.assertEqual((await client.head())[0], 201)
            self.assertEqual((await chunks(client))[0], b"one two")
            await client.send("/fails")
            self.assertEqual((await client.head())[0], 502)
            client.close()
        self.assertEqual([type(error) for _, error in self.errors], [ValueError])


if __name__ == "__main__":
    unittest.main()
