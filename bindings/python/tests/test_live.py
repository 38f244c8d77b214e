"""Who is here, who may stay, and where requests go."""

import asyncio
import threading
import unittest
from datetime import UTC, datetime, timedelta

from support import PATIENCE, Client, LoopCase, Service, cardea, draft, get, until


class Live(LoopCase):
    async def streams(self, *users):
        clients = []
        for user in users:
            client = await Client.to(self.at)
            await client.send("/stream", who=user)
            self.assertEqual((await client.head())[0], 200)
            clients.append(client)
        return clients

    def people(self, **hooks):
        config = draft(self.service.url, policy=cardea.Policy.host())
        return self.serving(config, authorize=lambda r: cardea.Identity(r.header("who")), **hooks)

    async def test_list_and_end(self):
        async with self.people():
            ann, bob = await self.streams("ann", "bob")
            rows = await self.proxy.list()
            self.assertEqual(sorted(row["user"] for row in rows), ["ann", "bob"])
            self.assertEqual({row["route"] for row in rows}, {"app"})
            one = await self.proxy.list({"route": "app"}, user="bob")
            self.assertEqual([row["user"] for row in one], ["bob"])
            self.assertEqual(await self.proxy.end(exchange=one[0]["id"], by="the test"), 1)
            await bob.over()
            self.assertEqual([row["user"] for row in await self.proxy.list()], ["ann"])
            self.assertEqual(await self.proxy.end({}), 1)
            await ann.over()

    async def test_a_selector_without_value_is_not_everybody(self):
        async with self.people():
            (ann,) = await self.streams("ann")
            for call in (lambda: self.proxy.end(user=None), lambda: self.proxy.end(), lambda: self.proxy.end(user=""),
                         lambda: self.proxy.reauthorize(route=None)):  # fmt: skip
                with self.assertRaises(TypeError):
                    call()
            with self.assertRaisesRegex(cardea.InvalidArgumentError, "usre"):
                self.proxy.list(usre="ann")
            self.assertEqual(len(await self.proxy.list()), 1)
            ann.close()

    async def test_revoke(self):
        async with self.people():
            ann, bob = await self.streams("ann", "bob")
            await self.proxy.revoke(user="ann", until=datetime.now(UTC) + timedelta(hours=1), by="the test")
            await ann.over()
            self.assertEqual((await get(self.at, "/", who="ann")).status, 403)
            self.assertEqual((await get(self.at, "/", who="bob")).status, 200)
            self.assertEqual([row["user"] for row in await self.proxy.list()], ["bob"])
            with self.assertRaises(cardea.Error):
                self.proxy.revoke()
            with self.assertRaises(ValueError):
                self.proxy.revoke(user="bob", until=datetime(2030, 1, 1))
            with self.assertRaises(ValueError):
                self.proxy.revoke(user="bob", by="a\0b")
            bob.close()

    async def test_dry_run_changes_nothing(self):
        staff = cardea.Policy([{"allow": {"or": [{"user": {"is": "ann"}}]}}])
        async with self.people():
            ann, bob = await self.streams("ann", "bob")
            plan = await self.proxy.dry_run(draft(self.service.url, policy=staff))
            self.assertEqual([row["user"] for row in plan["would_end"]], ["bob"])
            self.assertEqual(plan["judged"], 2)
            self.assertEqual(len(await self.proxy.list()), 2)
            ann.close(), bob.close()

    async def test_from_another_thread_and_without_workers(self):
        async with self.people():
            (ann,) = await self.streams("ann")
            rows = await asyncio.to_thread(lambda: self.proxy.list().result(PATIENCE))
            self.assertEqual([row["user"] for row in rows], ["ann"])
            ann.close()
        self.assertEqual(await self.proxy.list(), [])
        self.assertEqual(cardea.Proxy(draft(self.service.url)).list().result(1), [])

    async def test_many_questions_at_once_from_many_threads(self):
        async with self.people():
            (ann,) = await self.streams("ann")
            found = []

            def ask():
                for _ in range(50):
                    found.append(len(self.proxy.list().result(PATIENCE)))
                    self.proxy.metrics(), self.proxy.reauthorize(), self.proxy.clusters().result(1)

            threads = [threading.Thread(target=ask) for _ in range(4)]
            for thread in threads:
                thread.start()
            await until(lambda: len(found) == 200)
            for thread in threads:
                await asyncio.to_thread(thread.join)
            self.assertEqual(set(found), {1})
            ann.close()


class Clusters(LoopCase):
    async def test_endpoints_at_run_time(self):
        other = await Service().start()
        async with self.serving():
            await get(self.at)
            (before,) = await self.proxy.clusters()
            self.assertEqual((before["name"], len(before["endpoints"])), ("app", 1))
            await self.proxy.set_endpoints("app", [{"url": other.url, "weight": 2}])
            await get(self.at)
            self.assertEqual((self.service.requests, other.requests), (1, 1))
            await self.proxy.set_endpoints("app", [other.url, self.service.url])
            await until(lambda: len(self.proxy.clusters().result()[0]["endpoints"]) == 2)
            await self.proxy.set_endpoints("app", None)
            await get(self.at)
            self.assertEqual((self.service.requests, other.requests), (2, 1))
            with self.assertRaises(cardea.NotFoundError):
                self.proxy.set_endpoints("other", [])
            with self.assertRaises(cardea.InvalidArgumentError):
                self.proxy.set_endpoints("app", ["nonsense"])
        await other.stop()


if __name__ == "__main__":
    unittest.main()
