"""Use after the end, from the wrong place, in the wrong order: an exception, never a crash."""

import asyncio
import gc
import threading
import unittest
import weakref

from support import Client, LoopCase, ThreadService, cardea, draft, get, get_blocking, until, until_blocking

from cardea._native import handles


class AfterTheEnd(LoopCase):
    async def test_a_closed_proxy(self):
        proxy = cardea.Proxy(draft(self.service.url))
        proxy.close()
        proxy.close()
        self.assertTrue(proxy.closed)
        for use in (proxy.metrics, proxy.list, proxy.reauthorize, proxy.clusters, proxy.drain, lambda: proxy.generation,
                    lambda: proxy.end({}), lambda: proxy.revoke(user="x"), lambda: proxy.set_endpoints("app", None),
                    lambda: proxy.apply(draft(self.service.url)), lambda: proxy.dry_run(draft(self.service.url)),
                    lambda: cardea.Worker(proxy).start()):  # fmt: skip
            with self.assertRaises(cardea.ClosedError):
                use()

    async def test_workers_outlive_their_proxy(self):
        ends = []

        async def authorize(request):
            await asyncio.sleep(0)
            return True

        async with self.serving(draft(self.service.url, policy=cardea.Policy.host()), authorize=authorize,
                                on_request_end=lambda r: ends.append(r.cause)):  # fmt: skip
            self.proxy.close()
            self.assertEqual((await get(self.at)).status, 200)
            await until(lambda: ends == ["ok"])

    async def test_a_closed_worker(self):
        async with self.serving() as worker:
            pass
        for use in (lambda: worker.addresses, worker.port, worker.fileno, lambda: worker.adopt(0), worker.start):
            with self.assertRaises(cardea.ClosedError):
                use()
        worker.close()
        await worker.wait_closed()

    async def test_before_the_start_and_twice(self):
        worker = cardea.Worker(cardea.Proxy(draft(self.service.url)))
        with self.assertRaises(RuntimeError):
            _ = worker.addresses
        async with worker:
            with self.assertRaises(RuntimeError):
                worker.start()
            with self.assertRaises(RuntimeError):
                worker.join()
            with self.assertRaises(TypeError):
                worker.__enter__()
        with self.assertRaises(TypeError):
            cardea.Worker(draft(self.service.url))

    async def test_other_threads(self):
        async with self.serving() as worker:
            with self.assertRaises(cardea.WrongThreadError):
                await asyncio.to_thread(worker.close)
            self.assertEqual(await asyncio.to_thread(lambda: worker.addresses), worker.addresses)
            self.assertEqual((await get(self.at)).status, 200)

    async def test_driving_it_from_its_own_hook(self):
        caught = []

        def end(request):
            try:
                worker._pump()
            except cardea.ReentrantError as error:
                caught.append(error)

        async with self.serving(on_request_end=end) as worker:
            client = await Client.to(self.at)
            await client.get("/")
            await until(lambda: caught)
            client.close()

    async def test_everything_is_legal_inside_a_hook(self):
        done = []

        def authorize(request):
            self.proxy.apply(draft(self.service.url, policy=cardea.Policy.host()))
            self.proxy.metrics(), self.proxy.reauthorize({}), self.proxy.list(), self.proxy.clusters()
            self.proxy.set_endpoints("app", [self.service.url])
            done.append(request.path)
            return True

        async with self.serving(draft(self.service.url, policy=cardea.Policy.host()), authorize=authorize):
            self.assertEqual((await get(self.at, "/in")).status, 200)
        self.assertEqual(done[0], "/in")


class WithoutALoop(unittest.TestCase):
    def test_no_loop(self):
        with self.assertRaisesRegex(RuntimeError, "thread=True"):
            cardea.Worker(cardea.Proxy(draft("http://127.0.0.1:1"))).start()

    def test_what_hooks_hold_goes_with_the_proxy(self):
        class Host:
            def authorize(self, request):
                return True

        gc.collect()
        before = len(handles)
        with ThreadService() as url:
            host = Host()
            gone = weakref.ref(host)
            proxy = cardea.Proxy(draft(url, policy=cardea.Policy.host()), authorize=host.authorize)
            with cardea.Worker(proxy, thread=True) as worker:
                del host, proxy
                self.assertEqual(get_blocking(worker.port())[0], 200)
                self.assertIsNotNone(gone())
            del worker
            gc.collect()
            until_blocking(lambda: gone() is None)
        self.assertEqual(len(handles), before)

    def test_hooks_that_refer_to_their_proxy_and_worker_are_no_leak(self):
        class Host:
            def __init__(self, url, thread):
                self.proxy = cardea.Proxy(draft(url, policy=cardea.Policy.host()), authorize=self.authorize)
                self.worker = cardea.Worker(self.proxy, thread=thread)

            def authorize(self, request):
                return self.worker is not None

        async def in_the_loop(host):
            async with host.worker:
                self.assertEqual((await get(host.worker.port())).status, 200)

        gc.collect()
        before = len(handles)
        with ThreadService() as url:
            for thread in (False, True):
                host = Host(url, thread)
                gone = weakref.ref(host)
                if thread:
                    with host.worker:
                        self.assertEqual(get_blocking(host.worker.port())[0], 200)
                else:
                    asyncio.run(in_the_loop(host))
                del host
                gc.collect()
                self.assertIsNone(gone())
        self.assertEqual(len(handles), before)

    def test_a_proxy_that_cannot_be_made_holds_nothing(self):
        gc.collect()
        before = len(handles)
        for _ in range(5):
            with self.assertRaises(cardea.ConfigError):
                cardea.Proxy({"routes": []})
        self.assertEqual(len(handles), before)

    def test_closing_while_others_call(self):
        for _ in range(20):
            proxy = cardea.Proxy(draft("http://127.0.0.1:1"))
            going, wrong = threading.Event(), []

            def use(proxy=proxy, going=going, wrong=wrong):
                try:
                    while True:
                        going.set()
                        proxy.metrics(), proxy.clusters(), proxy.reauthorize()
                except cardea.ClosedError:
                    pass
                except BaseException as error:
                    wrong.append(error)

            threads = [threading.Thread(target=use) for _ in range(3)]
            for thread in threads:
                thread.start()
            going.wait()
            proxy.close()
            for thread in threads:
                thread.join(20)
            self.assertEqual(wrong, [])

    def test_drafts_in_many_threads(self):
        config = cardea.Config(listeners=[cardea.Listener("127.0.0.1:0")])
        routes = [cardea.Route(f"http://r{i}.test", policy=cardea.Policy.public(), cluster=cardea.Cluster("http://127.0.0.1:1"))
                  for i in range(200)]  # fmt: skip

        def add(part):
            for route in part:
                config.add_route(route)
                config.set(max_connections=5)

        threads = [threading.Thread(target=add, args=(routes[i::4],)) for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertTrue(config.seal().sealed)


if __name__ == "__main__":
    unittest.main()
