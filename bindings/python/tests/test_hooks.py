"""What the host is asked and told, at once and later, and what happens when a hook goes wrong."""

import asyncio
import threading
import unittest

from support import Client, LoopCase, cardea, draft, get, until


class AuthorizeCase(LoopCase):
    def asked(self, **hooks):
        return self.serving(draft(self.service.url, policy=cardea.Policy.host({"need": "x"}), authorize_timeout=5.0), **hooks)


class Plain(AuthorizeCase):
    async def test_true_false_and_what_a_request_tells(self):
        seen = []

        def authorize(request):
            seen.append((request.method, request.host, request.path, request.query, request.route, request.policy_data,
                         request.header("x-MINE"), request.header("absent"), request.client_ip, request.reauthorized,
                         dict(request.headers)["x-mine"], request.conn.protocol, request.conn.id == request.conn_id))  # fmt: skip
            return request.path == "/yes"

        async with self.asked(authorize=authorize):
            self.assertEqual((await get(self.at, "/yes?q", **{"x-mine": "é\udcff"})).status, 200)
            self.assertEqual((await get(self.at, "/no", **{"x-mine": "1"})).status, 403)
        self.assertEqual(seen[0], ("GET", "app.test", "/yes", "?q", "app", {"need": "x"}, "é\udcff", None, "127.0.0.1", False,
                                   "é\udcff", "HTTP/1.1", True))  # fmt: skip
        self.assertEqual(self.errors, [])

    async def test_more_headers_than_are_fetched_at_once(self):
        seen, many = [], {f"x-{i}": str(i) for i in range(80)}
        async with self.asked(authorize=lambda r: seen.extend([r.headers, r.copy().headers]) or True):
            self.assertEqual((await get(self.at, **many)).status, 200)
        self.assertEqual(seen[0], seen[1])
        self.assertLessEqual(set(many.items()), set(seen[0]))

    async def test_what_a_policy_passes_on(self):
        for data in (None, "text", 7, [1, {"a": None}], {"é": "\u2028"}):
            seen = []
            config = draft(self.service.url, policy=cardea.Policy.host(data))
            async with self.serving(config, authorize=lambda r: seen.append(r.policy_data) or True):
                await get(self.at)
            self.assertEqual(seen, [data])

    async def test_an_identity_is_known_from_then_on(self):
        ends = []
        who = cardea.Identity("ann", email="ann@a.test", groups=["staff"], claims={"age": 7})
        async with self.asked(authorize=lambda r: who, on_request_end=lambda r: ends.append(r.copy())):
            self.assertEqual((await get(self.at)).status, 200)
            await until(lambda: ends)
        end = ends[0]
        self.assertEqual((end.identity, end.email, end.status, end.cause, end.cluster), ("ann", "ann@a.test", 200, "ok", "app"))
        self.assertEqual(end.access_record["status"], 200)
        self.assertEqual(end.endpoint, f"127.0.0.1:{self.service.port}")
        self.assertGreater(end.bytes_out, 0)
        self.assertFalse(end.truncated)
        self.assertEqual(end.conn.peer, end.peer)
        with self.assertRaises(cardea.StaleError):
            _ = end.live_record

    async def test_what_goes_wrong_denies_and_is_reported(self):
        answers = [ZeroDivisionError("oops"), None, 1, "yes", cardea.Identity(""), cardea.Identity("a", claims={"x": object()})]

        def authorize(request):
            answer = answers[int(request.path[1:])]
            if isinstance(answer, Exception):
                raise answer
            return answer

        async with self.asked(authorize=authorize):
            for i in range(len(answers)):
                self.assertEqual((await get(self.at, f"/{i}")).status, 403, answers[i])
        self.assertEqual([hook for hook, _ in self.errors], ["authorize"] * len(answers))
        self.assertIsInstance(self.errors[0][1], ZeroDivisionError)
        self.assertEqual({type(e) for _, e in self.errors[1:]}, {TypeError})

    async def test_the_loop_hears_of_it_without_a_hook_for_errors(self):
        heard = []
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: heard.append(context))

        async def authorize(request):
            raise LookupError("late")

        for hook in (lambda r: 1 / 0, authorize):
            async with self.asked(authorize=hook, on_hook_error=None):
                self.assertEqual((await get(self.at)).status, 403)
        self.assertEqual([type(c["exception"]) for c in heard], [ZeroDivisionError, LookupError])
        self.assertIn("authorize", heard[0]["message"])

    async def test_views_end_with_their_callback(self):
        kept = []
        async with self.asked(authorize=lambda r: kept.extend([r, r.conn, r.copy(), r.conn.copy()]) or True,
                              on_conn_close=kept.append):  # fmt: skip
            await get(self.at, "/kept", **{"x-mine": "1"})
            await until(lambda: len(kept) == 5)
        for use in (lambda: kept[0].path, lambda: kept[0].headers, lambda: kept[0].header("host"), lambda: kept[0].copy(),
                    lambda: kept[0].conn, lambda: kept[1].peer, lambda: kept[1].id, lambda: kept[4].peer):  # fmt: skip
            with self.assertRaises(cardea.StaleError):
                use()
        self.assertEqual((kept[2].path, kept[2].header("X-mine")), ("/kept", "1"))
        self.assertEqual(kept[3].peer, kept[2].peer)
        with self.assertRaises(cardea.StaleError):
            _ = kept[2].status  # was not known yet

    async def test_views_are_for_one_thread(self):
        caught = []

        def elsewhere(request):
            try:
                _ = request.path
            except cardea.WrongThreadError as error:
                caught.append(error)

        def authorize(request):
            thread = threading.Thread(target=elsewhere, args=(request,))
            thread.start()
            thread.join()
            return True

        async with self.asked(authorize=authorize):
            await get(self.at)
        self.assertEqual(len(caught), 1)

    async def test_an_interrupt_reaches_whoever_drives_the_loop(self):
        def authorize(request):
            raise KeyboardInterrupt

        async with self.asked(authorize=authorize) as worker:
            client = await Client.to(self.at)
            pump, raised = worker._pump, []

            def watch():
                try:
                    pump()
                except KeyboardInterrupt as error:
                    raised.append(error)

            worker._pump = watch  # also when its time has come
            asyncio.get_running_loop().add_reader(worker.fileno(), watch)
            self.assertEqual((await client.get("/")).status, 403)
            self.assertEqual(len(raised), 1)
            client.close()


class Later(AuthorizeCase):
    async def test_coroutines_answer_later_and_do_not_hold_up_others(self):
        free = asyncio.Event()

        async def authorize(request):
            if request.path == "/slow":
                await free.wait()
            return cardea.Identity("u" + request.path) if request.header("x-who") else request.path != "/no"

        async with self.asked(authorize=authorize):
            slow = asyncio.create_task(get(self.at, "/slow"))
            self.assertEqual((await get(self.at, "/yes")).status, 200)
            self.assertEqual((await get(self.at, "/who", **{"x-who": "1"})).status, 200)
            self.assertEqual((await get(self.at, "/no")).status, 403)
            await until(lambda: self.proxy.pending == 1)
            free.set()
            self.assertEqual((await slow).status, 200)
            self.assertEqual(self.proxy.pending, 0)
        self.assertEqual(self.errors, [])

    async def test_a_plain_function_that_answers_an_awaitable(self):
        async def later(request):
            await asyncio.sleep(0)
            return request.path == "/yes"

        async with self.asked(authorize=lambda r: later(r)):
            self.assertEqual((await get(self.at, "/yes")).status, 200)
            self.assertEqual((await get(self.at, "/no")).status, 403)
        self.assertEqual(self.proxy._dispatch._by_request, {})

    async def test_failing_and_cancelled_coroutines_deny(self):
        async def authorize(request):
            await asyncio.sleep(0)
            if request.path == "/cancel":
                raise asyncio.CancelledError
            if request.path == "/none":
                return None
            raise ValueError("no")

        async with self.asked(authorize=authorize):
            for path in ("/cancel", "/none", "/raise"):
                self.assertEqual((await get(self.at, path)).status, 403)
        self.assertEqual([type(e) for _, e in self.errors], [asyncio.CancelledError, TypeError, ValueError])

    async def test_whoever_leaves_is_not_asked_about_any_more(self):
        cancelled = []

        async def authorize(request):
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled.append(request.path)
                raise

        # So long a timeout that it cannot be what ends the task.
        config = draft(self.service.url, policy=cardea.Policy.host(), authorize_timeout=600)
        async with self.serving(config, authorize=authorize):
            client = await Client.to(self.at)
            await client.send("/gone")
            await until(lambda: self.proxy.pending)
            client.reset()
            await until(lambda: cancelled == ["/gone"])
            await until(lambda: self.proxy.pending == 0)
            waits = await Client.to(self.at)
            await waits.send("/closing")
            await until(lambda: self.proxy.pending)
        await until(lambda: cancelled == ["/gone", "/closing"])
        await waits.over()
        self.assertEqual(self.errors, [])
        self.assertEqual(self.proxy._dispatch._by_request, {})

    async def test_no_answer_in_time_denies(self):
        async def authorize(request):
            await asyncio.Event().wait()

        config = draft(self.service.url, policy=cardea.Policy.host(), authorize_timeout=0.05)
        async with self.serving(config, authorize=authorize):
            self.assertEqual((await get(self.at)).status, 503)
            await until(lambda: self.proxy.pending == 0)

    async def test_no_more_than_so_many_wait(self):
        free = asyncio.Event()

        async def authorize(request):
            await free.wait()
            return True

        async with self.asked(authorize=authorize, max_pending=3):
            waiting = [asyncio.create_task(get(self.at)) for _ in range(3)]
            await until(lambda: self.proxy.pending == 3)
            self.assertEqual((await get(self.at)).status, 403)
            self.assertIsInstance(self.errors[0][1], cardea.OverloadedError)
            free.set()
            self.assertEqual({(await w).status for w in waiting}, {200})

    async def test_who_was_let_in_is_asked_about_again(self):
        allowed, asked = True, []

        async def authorize(request):
            asked.append(request.reauthorized)
            return allowed

        async with self.asked(authorize=authorize):
            client = await Client.to(self.at)
            await client.send("/stream")
            self.assertEqual((await client.head())[0], 200)
            allowed = False
            await self.proxy.reauthorize(route="app")
            await client.over()
            self.assertEqual(asked, [False, True])


class Told(LoopCase):
    async def test_connections(self):
        told = []
        async with self.serving(on_conn_open=lambda c: told.append(("open", c.id, c.peer)),
                                on_conn_close=lambda c: told.append(("close", c.id, c.peer))):  # fmt: skip
            client = await Client.to(self.at)
            await client.get("/")
            client.close()
            await until(lambda: len(told) == 2)
        self.assertEqual([t[0] for t in told], ["open", "close"])
        self.assertEqual(told[0][1:], told[1][1:])

    async def test_hooks_that_are_told_may_fail(self):
        def fail(*arguments):
            raise OSError("disk full")

        async with self.serving(on_conn_open=fail, on_conn_close=fail, on_request_end=fail):
            self.assertEqual((await get(self.at)).status, 200)
            await until(lambda: len(self.errors) == 3)
        self.assertEqual({hook for hook, _ in self.errors}, {"on_conn_open", "on_conn_close", "on_request_end"})

    async def test_only_questions_may_be_coroutines(self):
        async def hook(*arguments):
            pass

        for name in ("on_request_end", "on_conn_open", "on_conn_close", "on_pick_endpoint", "on_health"):
            with self.assertRaisesRegex(TypeError, name):
                cardea.Proxy(draft(self.service.url), **{name: hook})
        with self.assertRaises(TypeError):
            cardea.Proxy(draft(self.service.url), authorize=True)

    async def test_picking_endpoints(self):
        answers, offered = [1, 0, 7, True, None], []

        def pick(request, endpoints):
            offered.append((request.path, [e.weight for e in endpoints], endpoints[0].address))
            return answers[int(request.path[1:])]

        cluster = cardea.Cluster("http://127.0.0.1:1", (self.service.url, 3), load_balancing_policy="host")
        config = cardea.Config(
            listeners=[cardea.Listener("127.0.0.1:0")],
            routes=[cardea.Route("http://app.test", policy=cardea.Policy.public(), cluster=cluster)],
        )
        async with self.serving(config, on_pick_endpoint=pick):
            statuses = [(await get(self.at, f"/{i}")).status for i in range(len(answers))]
        self.assertEqual((statuses[0], set(statuses[1:])), (200, {503}))
        self.assertEqual(offered[0], ("/0", [1, 3], "127.0.0.1:1"))
        self.assertEqual([type(e) for _, e in self.errors], [TypeError, TypeError])

    async def test_health_checks_by_the_host(self):
        fit, told, asked = True, [], []

        async def check(cluster, endpoint):
            asked.append((cluster, endpoint))
            await asyncio.sleep(0)
            if fit is None:
                raise ValueError("cannot tell")
            return fit

        custom = {"timeout": "2s", "interval": "20ms", "no_traffic_interval": "20ms", "unhealthy_threshold": 1,
                  "healthy_threshold": 1, "custom_health_check": {}}  # fmt: skip
        cluster = cardea.Cluster(self.service.url, health_checks=[custom])
        config = cardea.Config(
            listeners=[cardea.Listener("127.0.0.1:0")],
            routes=[cardea.Route("http://app.test", name="app", policy=cardea.Policy.public(), cluster=cluster)],
        )
        async with self.serving(config, health_check=check, on_health=lambda *told_of: told.append(told_of)):
            await until(lambda: asked)
            fit = False
            await until(lambda: any(health == cardea.Health.UNHEALTHY for _, _, health, _ in told))
            fit = True
            await until(lambda: told[-1][2] == cardea.Health.HEALTHY)
            self.assertEqual(self.errors, [])
            fit = None
            await until(lambda: told[-1][2] == cardea.Health.UNHEALTHY)
            self.assertIsInstance(self.errors[0][1], ValueError)
        self.assertEqual(set(asked), {("app", f"127.0.0.1:{self.service.port}")})
        self.assertEqual({(t[0], t[1]) for t in told}, set(asked))


if __name__ == "__main__":
    unittest.main()
