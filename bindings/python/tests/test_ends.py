"""Hooks, loops and threads that end in the wrong order or in the wrong way; arguments of the wrong kind."""

import asyncio
import gc
import logging
import os
import socket
import threading
import unittest
import warnings

from support import PATIENCE, Client, LoopCase, ThreadService, cardea, draft, get, get_blocking, until, until_blocking


class Hooks(LoopCase):
    async def test_health_checks_go_on_when_only_the_worker_is_left(self):
        told = []

        async def check(cluster, endpoint):
            await asyncio.sleep(0)
            return len(told) % 2 == 1

        custom = {"timeout": "1s", "interval": "10ms", "no_traffic_interval": "10ms", "unhealthy_threshold": 1,
                  "healthy_threshold": 1, "custom_health_check": {}}  # fmt: skip
        cluster = cardea.Cluster(self.service.url, health_checks=[custom])
        route = cardea.Route("http://app.test", name="app", policy=cardea.Policy.public(), cluster=cluster)
        config = cardea.Config(listeners=[cardea.Listener("127.0.0.1:0")], routes=[route])
        async with self.serving(config, health_check=check, on_health=lambda *change: told.append(change[2])):
            self.proxy.close()
            await until(lambda: cardea.Health.UNHEALTHY in told and cardea.Health.HEALTHY in told[1:])

    async def test_a_future_of_another_loop_denies(self):
        other = asyncio.new_event_loop()
        async with self.serving(draft(self.service.url, policy=cardea.Policy.host(), authorize_timeout=60),
                                authorize=lambda request: other.create_future()):  # fmt: skip
            self.assertEqual((await get(self.at)).status, 403)
            self.assertEqual(self.proxy.pending, 0)
        self.assertEqual([type(error) for _, error in self.errors], [RuntimeError])
        other.close()

    async def test_an_identity_of_wrong_kind_denies_and_is_reported(self):
        async with self.serving(draft(self.service.url, policy=cardea.Policy.host()),
                                authorize=lambda request: cardea.Identity("ann", groups="staff")):  # fmt: skip
            self.assertEqual((await get(self.at)).status, 403)
        self.assertEqual([type(error) for _, error in self.errors], [TypeError])

    async def test_an_older_question_about_a_request_is_withdrawn(self):
        asked, cancelled, may = [], [], asyncio.Event()

        async def authorize(request):
            asked.append(request.reauthorized)
            if request.reauthorized:
                try:
                    await may.wait()
                except asyncio.CancelledError:
                    cancelled.append(request.id)
                    raise
            return True

        async with self.serving(draft(self.service.url, policy=cardea.Policy.host()), authorize=authorize):
            client = await Client.to(self.at)
            await client.send("/stream")
            await client.head()
            self.proxy.reauthorize()
            await until(lambda: len(asked) == 2)
            self.proxy.apply(draft(self.service.url, policy=cardea.Policy.host("changed")))
            self.proxy.reauthorize()
            await until(lambda: len(asked) == 2 or cancelled)
            self.assertLessEqual(self.proxy.pending, 1)
            may.set()
            await until(lambda: self.proxy.pending == 0)
            client.close()
        self.assertEqual(self.errors, [])


class Loops(unittest.TestCase):
    def serve_until_cancelled(self):
        """The port and the descriptors of a program whose wait for the end was cut short."""

        async def main():
            worker = cardea.Worker(cardea.Proxy(draft("http://127.0.0.1:1")))
            worker.start()
            ports.append(worker.port())
            worker.close()
            ending = asyncio.ensure_future(worker.wait_closed())
            ending.cancel()

        ports = []
        asyncio.run(main())
        gc.collect()
        return ports[0]

    def test_a_close_that_nobody_waits_for_still_ends(self):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            self.serve_until_cancelled()
            before = len(os.listdir("/proc/self/fd"))
            for _ in range(5):
                port = self.serve_until_cancelled()
            self.assertLessEqual(len(os.listdir("/proc/self/fd")), before)
            socket.create_server(("127.0.0.1", port), reuse_port=False).close()

    def test_closing_after_the_loop(self):
        loop = asyncio.new_event_loop()

        async def begin():
            worker = cardea.Worker(cardea.Proxy(draft("http://127.0.0.1:1")))
            worker.start()
            return worker, worker.port()

        worker, port = loop.run_until_complete(begin())
        loop.close()
        worker.close().result(PATIENCE)
        self.assertTrue(worker.closed)
        socket.create_server(("127.0.0.1", port), reuse_port=False).close()


class Threads(unittest.TestCase):
    def test_a_coroutine_that_wants_to_exit_is_only_denied(self):
        async def authorize(request):
            await asyncio.sleep(0)
            if request.path == "/exit":
                raise SystemExit(3)
            return True

        errors = []
        with ThreadService() as url:
            config = draft(url, policy=cardea.Policy.host(), authorize_timeout=5)
            proxy = cardea.Proxy(config, authorize=authorize, on_hook_error=lambda hook, error: errors.append(error))
            with cardea.Worker(proxy, thread=True) as worker:
                self.assertEqual(get_blocking(worker.port(), "/exit")[0], 403)
                self.assertEqual(get_blocking(worker.port(), "/next")[0], 200)
        self.assertEqual([type(error) for error in errors], [SystemExit])

    def test_a_hook_cannot_wait_for_its_own_thread(self):
        caught = []

        def end(request):
            try:
                proxy.list().result(5)
            except RuntimeError as error:
                caught.append(error)
            except TimeoutError:
                pass
            caught.append(proxy.clusters().result()[0]["name"])  # is given at once

        with ThreadService() as url:
            proxy = cardea.Proxy(draft(url), on_request_end=end)
            with cardea.Worker(proxy, thread=True) as worker:
                get_blocking(worker.port())
                until_blocking(lambda: "app" in caught)
                self.assertEqual(proxy.list().result(PATIENCE), [])
        self.assertIn("hook", str(caught[0]))

    def test_a_filter_that_fails_does_not_end_the_log(self):
        seen, failed = [], []

        def fail(record):
            seen.append(record)
            raise ValueError("no")

        logger = logging.getLogger("cardea.test_ends")
        logger.addFilter(fail)
        logger.setLevel(logging.INFO)
        before, threading.excepthook = threading.excepthook, lambda args: failed.append(args.exc_type)
        cardea.log_to(logger)
        try:
            with ThreadService() as url, cardea.Worker(cardea.Proxy(draft(url)), thread=True) as worker:
                for count in (1, 2):
                    with socket.create_connection(("127.0.0.1", worker.port())) as client:
                        client.sendall(b"nonsense\r\n\r\n")
                        client.recv(1000)
                    until_blocking(lambda: len(failed) == count)
        finally:
            cardea.log_to(None)
            threading.excepthook = before
            logger.removeFilter(fail)
        self.assertEqual((len(seen), failed), (2, [ValueError] * 2))


class Arguments(unittest.TestCase):
    def test_numbers_are_no_texts(self):
        policy = cardea.Policy.public()
        for call in (lambda: cardea.Listener(8080), lambda: cardea.Route(1), lambda: cardea.Config.from_text(9),
                     lambda: cardea.Tls().add(1, 2), lambda: cardea.Cluster().add_endpoint(80),
                     lambda: cardea.Proxy(draft("http://127.0.0.1:1", policy=policy)).set_endpoints(4, [])):  # fmt: skip
            with self.assertRaisesRegex(TypeError, "int"):
                call()


if __name__ == "__main__":
    unittest.main()
