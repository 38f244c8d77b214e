"""Drains with a selector, their progress and their ends; metrics as text."""

import asyncio
import unittest

from support import PATIENCE, Client, LoopCase, ThreadService, cardea, draft, get, until


class Drains(LoopCase):
    def people(self, **options):
        config = draft(self.service.url, policy=cardea.Policy.host(), **options)
        return self.serving(config, authorize=lambda r: cardea.Identity(r.header("who") or "nobody"))

    async def stream(self, user):
        client = await Client.to(self.at)
        await client.send("/stream", who=user)
        self.assertEqual((await client.head())[0], 200)
        return client

    async def users(self):
        return sorted(row["user"] for row in await self.proxy.list())

    async def test_one_user_goes(self):
        async with self.people():
            ann, bob = await self.stream("ann"), await self.stream("bob")
            self.assertEqual(self.proxy.drains(), [])
            drain = self.proxy.start_drain(user="ann", timeout=0.02, strategy="immediate", by="the test")
            await asyncio.wait_for(drain, PATIENCE)
            await ann.over()
            self.assertEqual(await self.users(), ["bob"])
            (row,) = self.proxy.drains()
            self.assertEqual((row["id"], row["state"], row["by"], row["cut"]), (drain.id, "done", "the test", 1))
            self.assertEqual(row["selector"], {"user": "ann"})
            self.assertEqual(drain.progress(), row)
            self.assertTrue(drain.done())
            for late in (drain.cancel, lambda: drain.extend(1)):
                with self.assertRaises(cardea.StaleError):
                    late()
            self.assertEqual((await get(self.at, who="bob")).status, 200)
            bob.close()

    async def test_everybody_cancelled_and_extended(self):
        async with self.people(drain_timeout=60):
            ann = await self.stream("ann")
            drain = self.proxy.start_drain({}, strategy="gradual", restart=True)
            await until(lambda: drain.progress()["left"]["http"] == 1)
            self.assertEqual(drain.progress()["strategy"], "gradual")
            self.assertLessEqual(drain.progress()["left_ms"], 60_000)
            drain.extend(600)
            await until(lambda: drain.progress()["left_ms"] > 500_000)
            self.assertFalse(drain.done())
            drain.cancel()
            await asyncio.wait_for(drain, PATIENCE)
            self.assertEqual(drain.progress()["state"], "cancelled")
            self.assertEqual(await self.users(), ["ann"])
            self.assertEqual((await get(self.at)).status, 200)  # it listens again
            ann.close()

    async def test_websockets_are_told_to_come_back(self):
        config = cardea.Config(
            listeners=[cardea.Listener("127.0.0.1:0")],
            routes=[cardea.Route("http://app.test", name="app", policy=cardea.Policy.public(), allow_websockets=True,
                                 cluster=cardea.Cluster(self.service.url))],  # fmt: skip
        )
        upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
                   "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}  # fmt: skip
        async with self.serving(config):
            for restart, code in ((True, 1012), (False, 1001)):
                client = await Client.to(self.at)
                await client.send("/ws", **upgrade)
                self.assertEqual((await client.head())[0], 101)
                drain = self.proxy.start_drain(route="app", timeout=60, strategy="immediate", restart=restart)
                frame = await asyncio.wait_for(client.reader.readexactly(4), PATIENCE)
                self.assertEqual((frame[0], int.from_bytes(frame[2:4], "big")), (0x88, code))
                drain.extend(0)
                await asyncio.wait_for(drain, PATIENCE)
                client.close()

    async def test_extending_can_make_it_shorter(self):
        async with self.people():
            ann = await self.stream("ann")
            drain = self.proxy.start_drain(route="app", timeout=3600)
            drain.extend(0)
            await asyncio.wait_for(drain, PATIENCE)
            await ann.over()

    async def test_whoever_stops_waiting_does_not_stop_it(self):
        async with self.people():
            ann = await self.stream("ann")
            drain = self.proxy.start_drain({}, timeout=3600)
            with self.assertRaises(asyncio.TimeoutError):
                await asyncio.wait_for(drain, 0.01)
            self.assertEqual(drain.progress()["state"], "running")
            drain.extend(0)
            await asyncio.wait_for(drain, PATIENCE)
            await ann.over()

    async def test_what_is_refused(self):
        async with self.people():
            (ann,) = [await self.stream("ann")]
            for call in (self.proxy.start_drain, lambda: self.proxy.start_drain(user=None)):
                with self.assertRaises(TypeError):
                    call()
            with self.assertRaises(ValueError):
                self.proxy.start_drain({}, strategy="slow")
            with self.assertRaises(ValueError):
                self.proxy.start_drain({}, by="a\0b")
            with self.assertRaisesRegex(cardea.InvalidArgumentError, "usre"):
                self.proxy.start_drain(usre="ann")
            self.assertEqual(self.proxy.drains(), [])
            running = [self.proxy.start_drain(user="nobody else", timeout=3600) for _ in range(3)]
            self.assertEqual(len({drain.id for drain in running}), 3)
            for drain in running:
                await asyncio.wait_for(drain, PATIENCE)  # there is nobody
            self.assertEqual(await self.users(), ["ann"])
            drain = self.proxy.start_drain(user="ann", timeout=3600)
            self.proxy.close()
            for late in (drain.cancel, lambda: drain.extend(1), drain.progress, self.proxy.drains, self.proxy.metrics_text,
                         lambda: self.proxy.start_drain({})):  # fmt: skip
                with self.assertRaises(cardea.ClosedError):
                    late()
        await asyncio.wait_for(drain, PATIENCE)  # with the worker
        ann.close()

    async def test_metrics_with_labels(self):
        async with self.serving():
            await get(self.at)
            text = self.proxy.metrics_text()
            self.assertIn("# TYPE ", text)
            self.assertRegex(text, r'(?m)^cardea_\w+\{[^}]*route="app"[^}]*\} \d')
            names = {metric.name for metric in self.proxy.metrics()}
            self.assertTrue(any(f"\ncardea_{name} " in text for name in names), names)


class Blocking(unittest.TestCase):
    def test_without_an_event_loop(self):
        with ThreadService() as url:
            proxy = cardea.Proxy(draft(url))
            with cardea.Worker(proxy, thread=True):
                drain = proxy.start_drain({}, timeout=5)
                drain.result(PATIENCE)
                self.assertEqual(drain.progress()["state"], "done")
            drain = proxy.start_drain({})
            drain.result(PATIENCE)  # no worker is left


if __name__ == "__main__":
    unittest.main()
