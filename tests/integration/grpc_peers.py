#!/usr/bin/python3
"""Both ends of gRPC for the integration suite, on python3-grpcio and without generated code: messages are plain bytes.

    grpc_peers.py serve [--tls CERT KEY]     prints «listening h2c://127.0.0.1:PORT» (or https), serves until killed
    grpc_peers.py call --port PORT KIND ...  one call, or many; prints what came as JSON

The service has one method for each kind of call: unary_unary, unary_stream, stream_unary, stream_stream. What it does
is asked for by the call's own metadata:

    answers: N      how many times each message is sent back (1)
    fail: CODE      ends with this status after all answers
    hold: 1         after its first answers it waits until the client has left; «client left» is printed when it has
"""
import argparse
import concurrent.futures
import hashlib
import json
import queue
import threading

import grpc

SERVICE = "cardea.test.Echo"
KINDS = ("unary_unary", "unary_stream", "stream_unary", "stream_stream")
DETAILS = "as asked: 100 % «wrong»"  # percent-encoded on the wire
LAST = ("x-last-bin", bytes(range(64)))  # base64 on the wire
LIMITS = [("grpc.max_receive_message_length", 64 << 20), ("grpc.max_send_message_length", 64 << 20)]


def answers(requests, call):
    asked = dict(call.invocation_metadata())
    left = threading.Event()

    def on_end():
        if "hold" in asked:  # it is never the service that ends such a call
            print("client left", flush=True)
        left.set()
    call.add_callback(on_end)
    # Without these the service's only head is its last: «trailers-only» in gRPC's words.
    if "bare" not in asked:
        call.send_initial_metadata((("x-first", asked.get("x-sent", "")),))
    call.set_trailing_metadata((LAST,))
    for request in requests:
        for _ in range(int(asked.get("answers", "1"))):
            yield request
        if "hold" in asked:
            left.wait()
            return
    if "fail" in asked:
        call.abort(getattr(grpc.StatusCode, asked["fail"]), DETAILS)


def serve(arguments):
    def joined(requests, call):
        return b"".join(answers(requests, call))

    behaviours = {
        "unary_unary": lambda request, call: joined([request], call),
        "unary_stream": lambda request, call: answers([request], call),
        "stream_unary": joined,
        "stream_stream": answers,
    }
    handlers = {kind: getattr(grpc, kind + "_rpc_method_handler")(behaviours[kind]) for kind in KINDS}
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(32), options=LIMITS)
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(SERVICE, handlers)])
    if arguments.tls:
        cert, key = (open(path, "rb").read() for path in arguments.tls)
        port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([(key, cert)]))
    else:
        port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(f"listening {'https' if arguments.tls else 'h2c'}://127.0.0.1:{port}", flush=True)
    server.wait_for_termination()


class Requests:
    """What a client sends, one message after the other; in lockstep each waits for the answer to the one before."""

    def __init__(self, messages, lockstep):
        self.messages, self.answered = messages, queue.Queue()
        self.lockstep = lockstep

    def __iter__(self):
        for message in self.messages:
            yield message
            if self.lockstep:
                self.answered.get(timeout=20)


def shown(message):
    """A short message as it is, a long one as its length and SHA-256."""
    return message.decode() if len(message) < 100 else f"{len(message)} {hashlib.sha256(message).hexdigest()}"


def words(metadata):
    return {key: value.hex() if isinstance(value, bytes) else value for key, value in metadata or ()}


def one_call(channel, arguments, messages):
    method = getattr(channel, arguments.kind)(f"/{SERVICE}/{arguments.method or arguments.kind}")
    metadata = [tuple(pair.split("=", 1)) for pair in arguments.metadata]
    requests = Requests(messages, arguments.lockstep)
    got = []
    try:
        if arguments.kind.endswith("_unary"):
            sent = iter(requests) if arguments.kind.startswith("stream") else messages[0]
            call = method.future(sent, timeout=arguments.deadline, metadata=metadata)
            got.append(shown(call.result()))
        else:
            sent = iter(requests) if arguments.kind.startswith("stream") else messages[0]
            call = method(sent, timeout=arguments.deadline, metadata=metadata)
            for message in call:
                got.append(shown(message))
                requests.answered.put(True)
                if arguments.leave:
                    call.cancel()
    except grpc.RpcError:
        pass
    return {"messages": got, "code": call.code().name, "details": call.details(),
            "first": words(call.initial_metadata()), "last": words(call.trailing_metadata())}


def call(arguments):
    options = [*LIMITS, ("grpc.enable_http_proxy", 0)]
    target = f"127.0.0.1:{arguments.port}"
    if arguments.ca:
        with open(arguments.ca, "rb") as pem:
            credentials = grpc.ssl_channel_credentials(pem.read())
        channel = grpc.secure_channel(target, credentials, [*options, ("grpc.ssl_target_name_override", arguments.host)])
    else:
        options.append(("grpc.default_authority", arguments.host))
        channel = grpc.insecure_channel(target, options)
    messages = [b"x" * arguments.size] if arguments.size else [word.encode() for word in arguments.messages]
    with channel:
        grpc.channel_ready_future(channel).result(20)  # connecting is no part of a call's deadline
        if not arguments.repeat:
            print(json.dumps(one_call(channel, arguments, messages)))
            return
        with concurrent.futures.ThreadPoolExecutor(50) as pool:
            every = list(pool.map(lambda n: one_call(channel, arguments, [b"%d" % n]), range(arguments.repeat)))
        print(json.dumps([(answer["messages"], answer["code"]) for answer in every]))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True)
    service = commands.add_parser("serve")
    service.add_argument("--tls", nargs=2, metavar=("CERT", "KEY"))
    service.set_defaults(run=serve)
    client = commands.add_parser("call")
    client.add_argument("--port", type=int, required=True)
    client.add_argument("--ca", help="speak TLS and trust this CA")
    client.add_argument("--host", default="app.localhost")
    client.add_argument("--metadata", action="append", default=[], metavar="KEY=VALUE")
    client.add_argument("--method", help="another method of the service than the one named as the kind")
    client.add_argument("--deadline", type=float, default=30)
    client.add_argument("--lockstep", action="store_true", help="send a message only when the one before was answered")
    client.add_argument("--leave", action="store_true", help="cancel at the first answer")
    client.add_argument("--size", type=int, help="one message of this many bytes")
    client.add_argument("--repeat", type=int, help="so many calls, 50 at a time, each with its number as the message")
    client.add_argument("kind", choices=KINDS)
    client.add_argument("messages", nargs="*", default=["hello"])
    client.set_defaults(run=call)
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
