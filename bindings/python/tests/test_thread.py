"""Workers on threads of their own, serve(), messages, processes that end."""

import asyncio
import http.client
import logging
import socket
import threading
import unittest

from support import PATIENCE, Client, Service, ThreadService, cardea, draft, get, get_blocking, run_python, until_blocking

SETUP = """
import support, sys
from support import cardea
service = support.ThreadService()
url = service.__enter__()
"""


class Blocking(unittest.TestCase):
    def test_a_program_without_an_event_loop(self):
        ends = []
        with ThreadService() as url:
            proxy = cardea.Proxy(draft(url), on_request_end=lambda r: ends.append(r.path))
            with cardea.Worker(proxy, thread=True) as worker:
                self.assertEqual(get_blocking(worker.port(), "/a"), (200, "/a"))
                until_blocking(lambda: ends)
                with self.assertRaises(cardea.NotSupportedError):
                    worker.fileno()
                self.assertGreater(proxy.generation, 0)
            self.assertTrue(worker.closed)
        self.assertEqual(ends, ["/a"])

    def test_coroutine_hooks_have_a_loop_of_their_own(self):
        async def authorize(request):
            await asyncio.sleep(0.001)
            if request.path == "/raise":
                raise ValueError("no")
            return request.path == "/yes"

        with ThreadService() as url:
            proxy = cardea.Proxy(draft(url, policy=cardea.Policy.host()), authorize=authorize)
            with cardea.Worker(proxy, thread=True) as worker:
                self.assertEqual(get_blocking(worker.port(), "/yes")[0], 200)
                self.assertEqual(get_blocking(worker.port(), "/no")[0], 403)
                with self.assertLogs("cardea", logging.ERROR) as logged:
                    self.assertEqual(get_blocking(worker.port(), "/raise")[0], 403)
                self.assertIn("authorize", logged.output[0])
                until_blocking(lambda: proxy.pending == 0)

    def test_several_workers_share_the_listeners(self):
        with ThreadService() as url:
            proxy = cardea.Proxy(draft(url))
            with cardea.Worker(proxy, thread=True) as one, cardea.Worker(proxy, thread=True) as two:
                self.assertEqual(one.addresses, two.addresses)
                self.assertEqual({get_blocking(one.port())[0] for _ in range(20)}, {200})

    def test_ends_that_hang_are_reported(self):
        with ThreadService() as url:
            worker = cardea.Worker(cardea.Proxy(draft(url)), thread=True)
            worker.start()
            with self.assertRaises(TimeoutError):
                worker.join(0.02)
            worker.close().result(PATIENCE)
            worker.join(PATIENCE)

    def test_adopting_is_for_its_own_thread(self):
        with ThreadService() as url, cardea.Worker(cardea.Proxy(draft(url)), thread=True) as worker:
            ours, theirs = socket.socketpair()
            with self.assertRaises(cardea.WrongThreadError):
                worker.adopt(theirs)
            theirs.send(b"mine")
            self.assertEqual(ours.recv(9), b"mine")
            ours.close(), theirs.close()

    def test_a_hook_hands_over_a_socket(self):
        with ThreadService() as url:
            ours, theirs = socket.socketpair()
            proxy = cardea.Proxy(draft(url), on_request_end=lambda r: r.path == "/first" and worker.adopt(theirs))
            with cardea.Worker(proxy, thread=True) as worker:
                get_blocking(worker.port(), "/first")
                ours.settimeout(PATIENCE)
                ours.sendall(b"GET /second HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\n\r\n")
                answer = http.client.HTTPResponse(ours)
                answer.begin()
                self.assertEqual((answer.status, answer.read()), (200, b"/second"))
                answer.close(), ours.close()
            self.assertEqual(theirs.fileno(), -1)


class ThreadUnderALoop(unittest.IsolatedAsyncioTestCase):
    async def test_hooks_run_in_the_loop_that_started_it(self):
        ours, seen = threading.get_ident(), []

        async def authorize(request):
            seen.append(threading.get_ident())
            return True

        service = await Service().start()
        proxy = cardea.Proxy(draft(service.url, policy=cardea.Policy.host()), authorize=authorize)
        async with cardea.Worker(proxy, thread=True) as worker:
            self.assertEqual((await get(worker.port())).status, 200)
            client = await Client.to(worker.port())
            await client.send("/stream")
            await client.head()
            self.assertEqual(len(await proxy.list()), 1)
            await asyncio.wait_for(proxy.drain(0.01), PATIENCE)
            await client.over()
        self.assertEqual(set(seen), {ours})
        await service.stop()


class Serve(unittest.TestCase):
    def test_until_it_is_stopped(self):
        stop, told = threading.Event(), []
        with ThreadService() as url:
            config = draft(url, workers=2)
            thread = threading.Thread(target=cardea.serve, args=(config,), kwargs={"stop": stop, "ready": told.extend})
            thread.start()
            until_blocking(lambda: told)
            self.assertEqual(get_blocking(int(told[0].rsplit(":", 1)[1]), "/s"), (200, "/s"))
            stop.set()
            thread.join(PATIENCE)
            self.assertFalse(thread.is_alive())
            with self.assertRaises(TypeError):
                cardea.serve(cardea.Proxy(config), authorize=lambda r: True)

    def test_an_interrupt_ends_it(self):
        done = run_python(SETUP + """
import os, signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # shells ignore it for what runs behind them
def ready(addresses):
    assert support.get_blocking(int(addresses[0].rsplit(":", 1)[1]))[0] == 200
    signal.raise_signal(signal.SIGINT)
try:
    cardea.serve(support.draft(url), ready=ready, drain_timeout=1)
finally:
    service.__exit__()
print("over")
""")
        self.assertEqual((done.stdout, done.returncode), ("over\n", 0), done.stderr)


class Processes(unittest.TestCase):
    def test_one_that_ends_without_closing_anything(self):
        done = run_python(SETUP + """
cardea.log_to("cardea", 10)
async def authorize(request): return True
proxy = cardea.Proxy(support.draft(url, policy=cardea.Policy.host()), authorize=authorize, on_conn_close=print)
worker = cardea.Worker(proxy, thread=True)
worker.start()
import http.client
c = http.client.HTTPConnection("127.0.0.1", worker.port())
c.request("GET", "/", headers={"Host": "app.test"})
print(c.getresponse().status, flush=True)
service.__exit__()
""")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue(done.stdout.startswith("200\n"), done.stdout)

    def test_a_forked_child_is_told(self):
        done = run_python(SETUP + """
import asyncio, os
async def main():
    proxy = cardea.Proxy(support.draft(url))
    async with cardea.Worker(proxy) as worker:
        child = os.fork()
        if child == 0:
            try:
                worker.adopt(os.dup(2))
            except cardea.ForkedError:
                os._exit(7)
            os._exit(1)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        print((await support.get(worker.port())).status)
asyncio.run(main())
service.__exit__()
""")
        self.assertEqual((done.stdout, done.returncode), ("7\n200\n", 0), done.stderr)


class Messages(unittest.TestCase):
    def test_they_go_to_logging_and_a_handler_may_use_cardea(self):
        lines = []

        class Handler(logging.Handler):
            def emit(self, record):
                cardea.log_to("test.cardea", logging.DEBUG) if record.getMessage() == "again" else None
                lines.append((record.levelno, record.getMessage(), cardea.library_version()))

        logger = logging.getLogger("test.cardea")
        logger.setLevel(logging.DEBUG)
        logger.propagate = False
        logger.addHandler(Handler())
        self.addCleanup(cardea.log_to, None)
        cardea.log_to(logger, logging.DEBUG)
        with ThreadService() as url:
            for _ in range(3):
                with cardea.Worker(cardea.Proxy(draft("http://127.0.0.1:1", listeners=1)), thread=True) as worker:
                    get_blocking(worker.port())
                    get_blocking(worker.port(), host="nobody.test")
            del url
        from cardea import _log

        _log._sink.put(2, "again")
        until_blocking(lambda: lines and lines[-1][1] == "again")
        self.assertEqual(lines[-1][0], logging.WARNING)

    def test_the_queue_is_bounded(self):
        from cardea import _log

        held, lines = threading.Event(), []

        class Slow(logging.Handler):
            def emit(self, record):
                held.wait(PATIENCE)
                lines.append(record.getMessage())

        logger = logging.getLogger("test.slow")
        logger.propagate = False
        logger.addHandler(Slow())
        cardea.log_to(logger)
        sink = _log._sink
        for i in range(_log.WAITING + 500):
            sink.put(2, str(i))
        self.assertLessEqual(len(sink.lines), _log.WAITING)
        held.set()
        cardea.log_to(None)
        until_blocking(lambda: lines and "dropped" in lines[-1])
        self.assertLessEqual(len(lines), _log.WAITING + 2)


if __name__ == "__main__":
    unittest.main()
