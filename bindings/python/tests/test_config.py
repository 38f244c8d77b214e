"""Configurations: from dicts, text, files and objects; what they refuse and how."""

import os
import pickle
import tempfile
import unittest
from datetime import timedelta
from pathlib import Path

from support import cardea, certificate, draft

PUBLIC = {"from": "http://app.test", "to": "http://127.0.0.1:1", "allow_public_unauthenticated_access": True}


class Sources(unittest.TestCase):
    def test_a_dict_has_the_keys_of_the_file(self):
        config = cardea.Config({"address": "127.0.0.1:0", "insecure_server": True, "timeout_idle": timedelta(minutes=2),
                                "routes": [PUBLIC]}).seal()  # fmt: skip
        self.assertEqual(config.get("timeout_idle"), 120.0)
        self.assertEqual(config.schemes, ["http"])

    def test_text_and_file_and_what_was_read(self):
        cert, key = certificate()
        with tempfile.TemporaryDirectory() as folder:
            for name, source in (("a.pem", cert), ("a.key", key)):
                Path(folder, name).write_bytes(Path(source).read_bytes())
            path = Path(folder, "cardea.yaml")
            path.write_text("address: '127.0.0.1:0'\ncertificates: [{cert: a.pem, key: a.key}]\n"
                            "routes: [{from: 'https://app.test', to: 'http://127.0.0.1:1'}]\n")  # fmt: skip
            config = cardea.Config.from_file(path).seal()
            self.assertEqual(sorted(map(os.path.basename, config.files)), ["a.key", "a.pem"])
            self.assertEqual(config.schemes, ["https"])
        with self.assertRaisesRegex(cardea.ConfigError, "x:1:1: routes: there are no routes"):
            cardea.Config.from_text(b"{}", "x")

    def test_every_fault_at_once_with_its_place(self):
        with self.assertRaises(cardea.ConfigError) as caught:
            cardea.Config.from_text("timeout_idel: 5\nadress: x\n", "my.yaml").seal()
        error = caught.exception
        self.assertEqual((error.code, error.name), (-5, "CARDEA_ECONFIG"))
        self.assertIn("my.yaml:1:1: timeout_idel", error.message)
        self.assertIn("my.yaml:2:1: adress", error.message)
        self.assertIsInstance(error, ValueError)

    def test_files_that_are_not_there(self):
        with self.assertRaises(FileNotFoundError):
            cardea.Config.from_file("/nowhere/cardea.yaml")
        with self.assertRaisesRegex(ValueError, "NUL"):
            cardea.Tls("a.pem\0b", "a.key")

    def test_values_that_json_has_not(self):
        config = {"address": "127.0.0.1:0", "insecure_server": True, "routes": [{**PUBLIC, "prefix": Path("/a")}]}
        self.assertTrue(cardea.Config(config).seal().sealed)
        with self.assertRaises(TypeError):
            cardea.Config({"address": object()})
        with self.assertRaises(ValueError):
            cardea.Config({"timeout_idle": float("nan")})


class Objects(unittest.TestCase):
    def test_everything_object_by_object(self):
        cert, key = certificate()
        tls = cardea.Tls(cert, Path(key))
        tls.add(Path(cert).read_text(), Path(key).read_bytes())
        cluster = cardea.Cluster("http://127.0.0.1:1", ("http://127.0.0.1:2", 3), connect_timeout=0.5, load_balancing_policy="maglev")
        cluster.set(outlier_detection={"consecutive_5xx": 5}, health_checks=[{"timeout": "1s", "interval": "5s",
                    "unhealthy_threshold": 2, "healthy_threshold": 1, "tcp_health_check": {}}])  # fmt: skip
        route = cardea.Route("https://app.test", policy=cardea.Policy([{"allow": {"or": [{"domain": {"is": "a.test"}}]}}]),
                             cluster=cluster, set_request_headers={"X-A": "1", "X-B": "2"}, remove_request_headers=["Cookie"],
                             hash_policy=[{"identity": True}], timeout=timedelta(seconds=3))  # fmt: skip
        moved = cardea.Route("https://old.test", policy=cardea.Policy.public(),
                             redirect={"host_redirect": "app.test", "response_code": 308})  # fmt: skip
        config = cardea.Config(listeners=[cardea.Listener("127.0.0.1:0", tls=tls, codec_type="http2")], routes=[route, moved],
                               timeout_idle="5m", max_connections=7, merge_slashes=False)  # fmt: skip
        config.seal()
        self.assertEqual((config.get("timeout_idle"), config.get("max_connections"), config.get("merge_slashes")), (300.0, 7, False))

    def test_names_values_and_types(self):
        config = cardea.Config()
        with self.assertRaisesRegex(cardea.NotFoundError, "no global option is named timeout_idel; did you mean timeout_idle"):
            config.set(timeout_idel=3)
        for wrong in ({"max_connections": "7"}, {"max_connections": True}, {"merge_slashes": 1}, {"timeout_idle": None},
                      {"sign_in_url": 3}, {"dns_resolvers": 5}, {"timeout_idle": True}):  # fmt: skip
            with self.assertRaises(TypeError, msg=str(wrong)):
                config.set(wrong)
        for outside in ({"max_connections": 0}, {"max_connections": 1 << 80}, {"timeout_idle": -1}, {"timeout_idle": float("inf")},
                        {"timeout_idle": float("nan")}, {"timeout_idle": "soon"}):  # fmt: skip
            with self.assertRaises(cardea.InvalidArgumentError, msg=str(outside)):
                config.set(outside)

    def test_a_duration_does_not_become_off_by_rounding(self):
        with self.assertRaisesRegex(cardea.InvalidArgumentError, "less than a millisecond"):
            cardea.Config(timeout_idle=0.0001)
        off = draft("http://127.0.0.1:1", timeout_idle=0).seal()
        self.assertEqual(off.get("timeout_idle"), 0)

    def test_frozen(self):
        cluster = cardea.Cluster("http://127.0.0.1:1")
        route = cardea.Route("http://app.test", policy=cardea.Policy.public(), cluster=cluster)
        config = cardea.Config(listeners=[cardea.Listener("127.0.0.1:0")], routes=[route])
        with self.assertRaises(cardea.BusyError):
            config.get("max_connections")
        config.seal().seal()
        for change in (lambda: config.set(max_connections=3), lambda: route.set(timeout=1), lambda: cluster.add_endpoint("http://a")):
            with self.assertRaises(cardea.SealedError):
                change()

    def test_wrong_objects(self):
        with self.assertRaises(TypeError):
            cardea.Config(routes=[cardea.Cluster("http://127.0.0.1:1")])
        with self.assertRaises(TypeError):
            cardea.Tls("a.pem")
        with self.assertRaises(cardea.TlsError):
            cardea.Tls().add("no", "pem")
        with self.assertRaises(cardea.Error):
            cardea.Policy("allow: [")
        with self.assertRaises(cardea.Error):
            cardea.Policy([{"allow": {"or": [{"no_such_criterion": 1}]}}])

    def test_objects_may_go_in_any_order(self):
        for _ in range(200):
            listener, cluster = cardea.Listener("127.0.0.1:0"), cardea.Cluster("http://127.0.0.1:1")
            route = cardea.Route("http://app.test", policy=cardea.Policy.host({"a": [1]}), cluster=cluster)
            config = cardea.Config(listeners=[listener], routes=[route])
            del listener, cluster, route
            config.seal()


class Options(unittest.TestCase):
    def test_the_table(self):
        rows = {(row.owner, row.name): row for row in cardea.options()}
        idle = rows[cardea.Owner.GLOBAL, "timeout_idle"]
        self.assertEqual((idle.type, idle.default, idle.minimum), (cardea.OptionType.DURATION, 300000, 0))
        self.assertTrue(all(row.doc for row in rows.values()))
        self.assertGreater(len(rows), 100)
        self.assertEqual({row.owner for row in cardea.options(cardea.Owner.ROUTE)}, {cardea.Owner.ROUTE})


class Errors(unittest.TestCase):
    def test_fields_and_pickling(self):
        error = pickle.loads(pickle.dumps(cardea.OsError(-6, "no", 13)))
        self.assertEqual((error.name, error.message, error.source_code, error.errno, str(error)), ("CARDEA_EIO", "no", 13, 13, "no"))
        self.assertIsInstance(error, OSError)
        self.assertIsInstance(cardea.TimedOutError(-15), TimeoutError)
        self.assertIsInstance(cardea.NotFoundError(-9), LookupError)


if __name__ == "__main__":
    unittest.main()
