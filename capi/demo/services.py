#!/usr/bin/python3
"""A sample HTTP/1.1 service that says who it is: something to put behind the proxy. Standard library only.

    services.py --name one --listen 127.0.0.1:0        also unix:/path; --tls CERT KEY [--client-ca FILE]

It prints «listening http://127.0.0.1:PORT» and serves until SIGTERM.

    /                       who answered, and what was asked
    /echo                   the request as it arrived, as JSON, with the length and SHA-256 of its body
    /upload                 length and SHA-256 of the body
    /bytes?size=N           N bytes; ?chunked=1 without a length
    /stream?count=N&every=S N lines, S seconds apart
    /slow?seconds=S         answers after S seconds
    /status?code=N          that status
    /hints                  103 before the answer
    /trailers               a chunked answer with a trailer
    /cut                    announces 1000 bytes, sends 10 and closes
    /socket                 a WebSocket that sends every message back
"""
import argparse
import asyncio
import base64
import hashlib
import json
import signal
import ssl
import urllib.parse

BLOCK = bytes(range(256)) * 256  # 64 KiB; /bytes repeats it
REASONS = {100: "Continue", 101: "Switching Protocols", 103: "Early Hints", 200: "OK", 204: "No Content", 304: "Not Modified",
           400: "Bad Request", 404: "Not Found", 500: "Internal Server Error", 503: "Service Unavailable"}
LARGEST_HEAD = 256 * 1024
LARGEST_FRAME = 1024 * 1024


class Request:
    def __init__(self, head, reader, writer):
        lines = head.decode("latin-1").split("\r\n")
        self.method, self.target, self.version = lines[0].split(" ")
        self.headers = [tuple(part.strip() for part in line.split(":", 1)) for line in lines[1:] if line]
        url = urllib.parse.urlsplit(self.target)
        self.path, self.query = url.path, dict(urllib.parse.parse_qsl(url.query))
        self.reader, self.writer = reader, writer
        self.trailers = []
        self.unread = self.header("transfer-encoding") is not None or self.header("content-length", "0") != "0"

    def header(self, name, default=None):
        return next((value for n, value in self.headers if n.lower() == name), default)

    async def body(self):
        """Yields the pieces of the body; chunked framing is taken off."""
        if self.unread and self.header("expect", "").lower() == "100-continue":
            self.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self.unread = False
        if self.header("transfer-encoding"):
            while size := int((await self.reader.readuntil(b"\r\n")).split(b";")[0], 16):
                while size:
                    piece = await self.reader.readexactly(min(size, 65536))
                    size -= len(piece)
                    yield piece
                await self.reader.readexactly(2)
            while (line := await self.reader.readuntil(b"\r\n")) != b"\r\n":
                self.trailers.append(tuple(p.strip() for p in line.decode("latin-1").split(":", 1)))
            return
        left = int(self.header("content-length", "0"))
        while left:
            piece = await self.reader.read(min(left, 65536))
            if not piece:
                raise asyncio.IncompleteReadError(b"", left)
            left -= len(piece)
            yield piece

    async def digest(self):
        total, sha = 0, hashlib.sha256()
        async for piece in self.body():
            total += len(piece)
            sha.update(piece)
        return total, sha.hexdigest()


class Service:
    def __init__(self, name):
        self.name = name

    async def serve(self, reader, writer):
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                request = Request(head[:-4], reader, writer)
                await self.answer(request)
                if request.unread:
                    async for _ in request.body():
                        pass
                await writer.drain()
                if request.header("connection", "").lower() == "close":
                    break
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError, ValueError):
            pass
        finally:
            writer.close()

    def head(self, request, status, headers=()):
        lines = [f"HTTP/1.1 {status} {REASONS.get(status, 'Status')}", f"X-Service: {self.name}"]
        lines += [f"{name}: {value}" for name, value in headers]
        request.writer.write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))

    def reply(self, request, status, body, kind="text/plain; charset=utf-8"):
        if isinstance(body, str):
            body = body.encode()
        self.head(request, status, [("Content-Type", kind), ("Content-Length", len(body))])
        if request.method != "HEAD":
            request.writer.write(body)

    async def answer(self, request):
        handler = getattr(self, "on_" + request.path.strip("/").replace("-", "_"), None)
        if handler:
            await handler(request)
        else:
            self.reply(request, 200, f"hello from {self.name}: {request.method} {request.target}\n")

    async def on_echo(self, request):
        length, sha = await request.digest()
        body = {"service": self.name, "method": request.method, "target": request.target,
                "headers": [f"{n}: {v}" for n, v in request.headers],
                "trailers": [f"{n}: {v}" for n, v in request.trailers], "body_length": length, "body_sha256": sha}
        self.reply(request, 200, json.dumps(body, indent=1) + "\n", "application/json")

    async def on_upload(self, request):
        length, sha = await request.digest()
        self.reply(request, 200, f"{length} {sha}\n")

    async def on_bytes(self, request):
        size, chunked = int(request.query.get("size", "1024")), request.query.get("chunked")
        self.head(request, 200, [("Content-Type", "application/octet-stream"),
                                 ("Transfer-Encoding", "chunked") if chunked else ("Content-Length", size)])
        if request.method == "HEAD":
            return
        while size:
            piece = BLOCK[:min(size, len(BLOCK))]
            size -= len(piece)
            request.writer.write(b"%x\r\n%s\r\n" % (len(piece), piece) if chunked else piece)
            await request.writer.drain()
        if chunked:
            request.writer.write(b"0\r\n\r\n")

    async def on_stream(self, request):
        self.head(request, 200, [("Content-Type", "text/plain"), ("Transfer-Encoding", "chunked")])
        for number in range(int(request.query.get("count", "5"))):
            line = f"line {number + 1} from {self.name}\n".encode()
            request.writer.write(b"%x\r\n%s\r\n" % (len(line), line))
            await request.writer.drain()
            await asyncio.sleep(float(request.query.get("every", "0.5")))
        request.writer.write(b"0\r\n\r\n")

    async def on_slow(self, request):
        print("slow request", flush=True)  # whoever started us can wait for this line
        await asyncio.sleep(min(float(request.query.get("seconds", "2")), 60))
        self.reply(request, 200, f"{self.name} took its time\n")

    async def on_status(self, request):
        status = int(request.query.get("code", "200"))
        if status in (204, 304):
            self.head(request, status)
        else:
            self.reply(request, status, f"{status} from {self.name}\n")

    async def on_hints(self, request):
        request.writer.write(b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n")
        self.reply(request, 200, f"{self.name} hinted\n")

    async def on_trailers(self, request):
        self.head(request, 200, [("Transfer-Encoding", "chunked"), ("Trailer", "X-Checksum")])
        request.writer.write(b"5\r\nhello\r\n0\r\nX-Checksum: 5d41402a\r\n\r\n")

    async def on_cut(self, request):
        self.head(request, 200, [("Content-Length", "1000")])
        request.writer.write(b"0123456789")
        await request.writer.drain()
        raise ConnectionError("as asked")

    async def on_socket(self, request):
        if request.header("upgrade", "").lower() != "websocket":
            self.reply(request, 400, "this is for WebSockets\n")
            return
        key = request.header("sec-websocket-key", "") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 1.3
        accept = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
        self.head(request, 101, [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", accept)])
        await echo_frames(request.reader, request.writer)
        raise ConnectionError("the connection belongs to the WebSocket, to its end")


async def echo_frames(reader, writer):
    """Sends back each frame, without its mask; a close frame is the last (RFC 6455 5)."""
    while True:
        first, second = await reader.readexactly(2)
        size = second & 0x7f
        if size > 125:
            size = int.from_bytes(await reader.readexactly(2 if size == 126 else 8), "big")
        if not second & 0x80 or size > LARGEST_FRAME:
            return
        mask = await reader.readexactly(4)
        payload = await reader.readexactly(size)
        payload = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
        kind = first & 0x0f
        if kind == 0xa:  # a pong asks for nothing
            continue
        if kind == 9:  # a ping is answered by a pong
            first = first & 0xf0 | 0xa
        length = bytes([size]) if size < 126 else b"\x7e" + size.to_bytes(2, "big") if size < 65536 else \
            b"\x7f" + size.to_bytes(8, "big")
        writer.write(bytes([first]) + length + payload)
        await writer.drain()
        if kind == 8:
            return


def tls_context(files, client_ca):
    if not files:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    context.set_alpn_protocols(["http/1.1"])
    if client_ca:
        context.load_verify_locations(client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


async def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--name", default="one")
    parser.add_argument("--listen", default="127.0.0.1:0", help="HOST:PORT or unix:/path")
    parser.add_argument("--tls", nargs=2, metavar=("CERT", "KEY"))
    parser.add_argument("--client-ca", help="ask for a client certificate that this CA signed")
    arguments = parser.parse_args()
    service, tls = Service(arguments.name), tls_context(arguments.tls, arguments.client_ca)
    scheme = "https" if tls else "http"
    if arguments.listen.startswith("unix:"):
        path = arguments.listen[len("unix:"):]
        server = await asyncio.start_unix_server(service.serve, path, ssl=tls, limit=LARGEST_HEAD)
        place = f"{scheme}+unix://{path}"
    else:
        host, port = arguments.listen.rsplit(":", 1)
        server = await asyncio.start_server(service.serve, host.strip("[]"), int(port), ssl=tls, limit=LARGEST_HEAD,
                                            backlog=1024, reuse_address=True)
        port = server.sockets[0].getsockname()[1]
        place = f"{scheme}://{host}:{port}"
    print(f"listening {place}", flush=True)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
    server.close()


if __name__ == "__main__":
    asyncio.run(main())
