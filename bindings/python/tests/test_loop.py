"""Workers in an asyncio loop: serving, time, ends, sockets that are handed over."""

import asyncio
import gc
import os
import socket
import ssl
import tempfile
import unittest
import warnings

from support import PATIENCE, Client, LoopCase, Service, cardea, certificate, draft, get, until

try:
    import uvloop
except ImportError:
    uvloop = None


class Serving(LoopCase):
    async def test_a_request_goes_through(self):
        async with self.serving() as worker:
            answer = await get(self.at, "/a?b=c", **{"X-Mine": "1"})
            self.assertEqual(answer.status, 200)
            self.assertIn("GET /a?b=c HTTP/1.1", answer.body)
            self.assertIn("x-mine: 1", answer.body.lower())
            self.assertEqual(worker.addresses, [f"127.0.0.1:{self.at}"])
        self.assertTrue(worker.closed)

    async def test_the_loop_does_other_work_meanwhile(self):
        ticks = 0

        async def tick():
            nonlocal ticks
            while True:
                ticks += 1
                await asyncio.sleep(0)

        async with self.serving():
            ticker = asyncio.create_task(tick())
            clients = [await Client.to(self.at) for _ in range(50)]
            for _ in range(10):
                answers = await asyncio.gather(*(c.get("/x") for c in clients))
                self.assertEqual({a.status for a in answers}, {200})
            before = ticks
            await until(lambda: ticks > before + 10)
            ticker.cancel()
            for c in clients:
                c.close()
        self.assertEqual(self.service.requests, 500)

    async def test_tls_and_several_listeners(self):
        cert, key = certificate()
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "s")
            config = cardea.Config(
                listeners=[cardea.Listener("127.0.0.1:0", tls=cardea.Tls(cert, key)), cardea.Listener("unix:" + path)],
                routes=[
                    cardea.Route("https://app.test", policy=cardea.Policy.public(), cluster=cardea.Cluster(self.service.url))
                ],
            )
            opened = []
            async with self.serving(config, on_conn_open=lambda conn: opened.append(conn.copy())) as worker:
                self.assertEqual((worker.port(1), worker.addresses[1]), (0, "unix:" + path))
                context = ssl.create_default_context(cafile=cert)
                client = await Client.to(self.at, ssl=context, server_hostname="app.test")
                self.assertEqual((await client.get("/t")).status, 200)
                self.assertEqual((opened[0].tls_version, opened[0].sni), ("TLSv1.3", "app.test"))
                client.close()
                with self.assertRaises(cardea.NotFoundError):
                    worker.port(2)

    async def test_time_passes_without_traffic(self):
        async with self.serving(draft(self.service.url, timeout_idle=0.05)):
            client = await Client.to(self.at)
            await client.get("/")
            self.assertEqual(await asyncio.wait_for(client.reader.read(), PATIENCE), b"")
            client.close()

    async def test_an_answer_that_does_not_come_in_time(self):
        config = draft(self.service.url, default_upstream_timeout=0.05)
        async with self.serving(config):
            self.assertEqual((await get(self.at, "/hold")).status, 504)

    async def test_a_bind_that_fails_names_the_address(self):
        taken = socket.create_server(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        route = cardea.Route("http://app.test", policy=cardea.Policy.public(), cluster=cardea.Cluster(self.service.url))
        proxy = cardea.Proxy(cardea.Config(listeners=[cardea.Listener(address)], routes=[route]))
        for thread in (False, True):
            with self.assertRaises(cardea.AddressInUseError) as caught:
                cardea.Worker(proxy, thread=thread).start()
            self.assertIn(address, caught.exception.message)
        taken.close()


class Changing(LoopCase):
    async def test_apply_without_touching_who_is_here(self):
        other = await Service().start()
        async with self.serving() as worker:
            held = await Client.to(self.at)
            self.assertIn("/one", (await held.get("/one")).body)
            generation = self.proxy.generation
            self.proxy.apply(
                cardea.Config(
                    listeners=[cardea.Listener("127.0.0.1:0")],
                    routes=[cardea.Route("http://app.test", policy=cardea.Policy.public(), cluster=cardea.Cluster(other.url))],
                )
            )
            self.assertGreater(self.proxy.generation, generation)
            await held.get("/two")
            self.assertEqual((self.service.requests, other.requests), (1, 1))
            self.assertEqual(worker.port(), self.at)
            with self.assertRaises(cardea.ConfigError):
                self.proxy.apply({"routes": [{"from": "nonsense"}]})
            await held.get("/three")
            held.close()
        await other.stop()

    async def test_drain_lets_requests_finish_and_cuts_the_rest(self):
        async with self.serving():
            stays = await Client.to(self.at)
            await stays.send("/hold")
            await until(lambda: self.service.requests)
            drained = self.proxy.drain(0.1)
            self.assertFalse(drained.done())
            with self.assertRaisesRegex(RuntimeError, "await"):
                drained.result(1)
            self.assertIsNone(await asyncio.wait_for(drained, PATIENCE))
            with self.assertRaises(ConnectionError):
                await Client.to(self.at)
            self.assertNotIn(b"200 OK", await stays.reader.read())
            stays.close()

    async def test_whoever_stops_waiting_does_not_take_the_answer_away(self):
        async with self.serving():
            stays = await Client.to(self.at)
            await stays.send("/hold")
            await until(lambda: self.service.requests)
            drained = self.proxy.drain(0.1)
            waiter = asyncio.ensure_future(drained)
            await asyncio.sleep(0)
            waiter.cancel()
            await asyncio.wait_for(drained, PATIENCE)
            self.assertTrue(waiter.cancelled())
            stays.close()

    async def test_metrics(self):
        async with self.serving():
            await get(self.at)
            metrics = {m.name: m for m in self.proxy.metrics()}
            self.assertGreater(len(metrics), 10)
            self.assertTrue(all(m.help and m.kind for m in metrics.values()))
            requests = [m.value for m in metrics.values() if "requests" in m.name]
            self.assertIn(1, requests)


class Ends(LoopCase):
    async def test_closing_ends_connections_and_tells_every_end(self):
        ends = []
        async with self.serving(on_request_end=lambda r: ends.append((r.path, r.cause))):
            client = await Client.to(self.at)
            await client.send("/hold")
            await until(lambda: self.service.requests)
        self.assertEqual([path for path, _ in ends], ["/hold"])
        self.assertNotEqual(ends[0][1], "ok")
        await client.over()

    async def test_close_twice_and_before_the_start(self):
        async with self.serving() as worker:
            first = worker.close()
            self.assertIs(worker.close(), first)
            await worker.wait_closed()
            self.assertTrue(worker.closed)
        never = cardea.Worker(self.proxy)
        await never.close()
        with self.assertRaises(cardea.ClosedError):
            never.start()

    async def test_close_from_a_hook(self):
        def end(request):
            self.worker.close()

        async with self.serving(on_request_end=end) as self.worker:
            client = await Client.to(self.at)
            await client.send("/")
            await client.over()
            await asyncio.wait_for(self.worker.wait_closed(), PATIENCE)

    async def test_an_exception_in_the_body_still_closes(self):
        with self.assertRaises(ZeroDivisionError):
            async with self.serving() as worker:
                1 / 0
        self.assertTrue(worker.closed)

    def test_one_that_was_forgotten_warns_and_frees_its_port(self):
        async def forget():
            worker = cardea.Worker(cardea.Proxy(draft("http://127.0.0.1:1")))
            worker.start()
            return worker.port()

        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", ResourceWarning)
            port = asyncio.run(forget())
            gc.collect()
        self.assertTrue([w for w in caught if "cardea.Worker" in str(w.message)])
        socket.create_server(("127.0.0.1", port), reuse_port=False).close()

    async def test_descriptors_and_cycles(self):
        open_now = lambda: len(os.listdir("/proc/self/fd"))  # noqa: E731
        async with self.serving():
            await get(self.at)
        before = open_now()
        for _ in range(30):
            async with self.serving():
                await get(self.at)
        await until(lambda: open_now() <= before + 1, "descriptors are closed")


class Adopting(LoopCase):
    async def test_an_accepted_socket_with_what_was_read(self):
        async with self.serving() as worker:
            ours, theirs = socket.socketpair()
            worker.adopt(theirs, preread=b"GET /adopted HTTP/1.1\r\nHo")
            self.assertEqual(theirs.fileno(), -1)
            ours.setblocking(False)
            reader, writer = await asyncio.open_connection(sock=ours)
            writer.write(b"st: app.test\r\n\r\n")
            self.assertIn(b"200", await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE))
            writer.close()

    async def test_misuse_leaves_the_socket_to_the_caller(self):
        ours, theirs = socket.socketpair()
        async with self.serving() as worker:
            with self.assertRaises(cardea.InvalidArgumentError):
                worker.adopt(theirs, listener=-1)
            with self.assertRaises(cardea.WrongThreadError):
                await asyncio.to_thread(worker.adopt, theirs)
            self.assertGreater(theirs.fileno(), 0)
        with self.assertRaises(cardea.ClosedError):
            worker.adopt(theirs)
        theirs.send(b"mine")
        self.assertEqual(ours.recv(9), b"mine")
        ours.close(), theirs.close()


@unittest.skipIf(uvloop is None, "uvloop is not installed")
class OnUvloop(Serving):
    def run(self, result=None):
        if uvloop is None:
            return super().run(result)
        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
        try:
            return super().run(result)
        finally:
            asyncio.set_event_loop_policy(None)

    async def test_it_is(self):
        self.assertIsInstance(asyncio.get_running_loop(), uvloop.Loop)


if __name__ == "__main__":
    unittest.main()
