"""10,000 exchanges leave nothing behind; the measure itself is shown to notice a leak."""

import asyncio
import gc
import os
import unittest

from support import Client, LoopCase, cardea, draft, until

from cardea._native import handles

EXCHANGES = int(os.environ.get("CARDEA_LEAK_EXCHANGES", "10000"))
CLIENTS = 20


def memory() -> int:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Leaks(LoopCase):
    async def exchanges(self, count: int) -> None:
        async def some() -> None:
            client = await Client.to(self.at)
            for _ in range(count // CLIENTS):
                self.assertEqual((await client.get("/", **{"x-a": "b"})).status, 200)
            client.close()

        await asyncio.gather(*(some() for _ in range(CLIENTS)))
        await until(lambda: self.proxy.pending == 0)

    async def grown(self, count: int) -> tuple[int, int, int]:
        """By how many Python objects, bytes and held handles."""
        await self.exchanges(2000)
        await self.proxy.list()
        gc.collect()
        objects, size, held = len(gc.get_objects()), memory(), len(handles)
        await self.exchanges(count)
        await self.proxy.list()
        gc.collect()
        return len(gc.get_objects()) - objects, memory() - size, len(handles) - held

    async def measure(self, label: str, **hooks: object) -> None:
        asyncio.get_running_loop().set_debug(False)
        policy = cardea.Policy.host() if "authorize" in hooks else None
        async with self.serving(draft(self.service.url, policy=policy), **hooks):
            objects, size, held = await self.grown(EXCHANGES)
        if os.environ.get("CARDEA_LEAK_PRINT"):
            print(f"{label}: {EXCHANGES} exchanges, {objects:+d} objects, {size / 1024:+.0f} KiB, {held:+d} handles")
        self.assertLess(objects, 300)
        self.assertLess(size, 4 << 20)
        self.assertEqual(held, 0)
        self.assertEqual(self.errors, [])

    async def test_without_hooks(self):
        await self.measure("no hooks")

    async def test_with_every_hook(self):
        async def authorize(request):
            await asyncio.sleep(0)
            return cardea.Identity(request.header("x-a"), groups=["g"])

        last = []

        def end(request):
            last[:] = [request.copy(), request.access_record]

        await self.measure("every hook", authorize=authorize, on_request_end=end, on_conn_open=lambda c: c.peer,
                           on_conn_close=lambda c: c.copy())  # fmt: skip

    async def test_the_measure_notices(self):
        asyncio.get_running_loop().set_debug(False)
        kept = []
        async with self.serving(on_request_end=lambda r: kept.append(r.copy())):
            objects, _, _ = await self.grown(1000)
        self.assertGreater(objects, 1000)


if __name__ == "__main__":
    unittest.main()
