"""An HTTP server on 127.0.0.1 whose every address misbehaves in its own way.

    with MisbehavingServer() as server:
        url = server.serve("data.gz", body, Behaviour(cut_after=1000, times=2))

After `times` requests an address behaves well; what was asked is kept in `server.requests`.
"""

import base64
import re
import socket
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Behaviour:
    """What is wrong with an address; the default is a server as it should be."""

    status: int = 200  # other than 200: an answer without the file
    headers: dict = field(default_factory=dict)
    content_type: str = "application/octet-stream"
    etag: str | None = '"v1"'
    ranges: bool = True  # whether Range is honoured
    refuse_ranges: bool = False  # 416 to every Range
    wrong_range: bool = False  # 206 that starts elsewhere
    declare_length: bool = True
    cut_after: int | None = None  # bytes of the answer after which the connection ends
    wait: float = 0.0  # seconds before anything is said
    pause: float = 0.0  # seconds before each block
    block: int = 1 << 16
    stall_after: int | None = None  # bytes after which nothing more comes
    head_status: int = 200  # other than 200: what HEAD gets, whatever GET gets
    login: tuple[str, str] | None = None  # other names and keys get 401
    times: int | None = None  # requests for which this holds; None: always


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        body, behaviour = self.server.owner.next_answer(self.command, self.path, dict(self.headers))
        try:
            self._answer(body, behaviour)
        except OSError:
            self.close_connection = True

    do_HEAD = do_GET

    def _answer(self, body: bytes | None, behaviour: Behaviour) -> None:
        self.server.owner.closing.wait(behaviour.wait)
        if body is None:
            self._plain(404, {})
            return
        if behaviour.login and self.headers.get("Authorization") != basic(*behaviour.login):
            self._plain(401, {"WWW-Authenticate": "Basic"})
            return
        if self.command == "HEAD" and behaviour.head_status != 200:
            self._plain(behaviour.head_status, {})
            return
        asked = re.fullmatch(r"bytes=(\d+)-\d*", self.headers.get("Range", ""))
        if behaviour.status != 200:
            self._plain(behaviour.status, behaviour.headers)
            return
        if asked and behaviour.refuse_ranges:
            self._plain(416, {"Content-Range": f"bytes */{len(body)}"})
            return
        fresh = self.headers.get("If-Range", behaviour.etag) == behaviour.etag
        start = 0
        if asked and behaviour.ranges and fresh:
            start = int(asked[1])
            if start >= len(body):
                self._plain(416, {"Content-Range": f"bytes */{len(body)}"})
                return
            told = start + 1 if behaviour.wrong_range else start
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {told}-{len(body) - 1}/{len(body)}")
        else:
            self.send_response(200)
        self._send(body[start:], behaviour)

    def _plain(self, status: int, headers: dict) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _send(self, body: bytes, behaviour: Behaviour) -> None:
        self.send_header("Content-Type", behaviour.content_type)
        for name, value in behaviour.headers.items():
            self.send_header(name, value)
        if behaviour.etag:
            self.send_header("ETag", behaviour.etag)
        if behaviour.declare_length:
            self.send_header("Content-Length", str(len(body)))
        else:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command == "HEAD":
            return
        sent = body if behaviour.cut_after is None else body[: behaviour.cut_after]
        for at in range(0, len(sent), behaviour.block):
            if behaviour.stall_after is not None and at >= behaviour.stall_after:
                self.server.owner.closing.wait(20)
                break
            time.sleep(behaviour.pause)
            self.wfile.write(sent[at : at + behaviour.block])
            self.wfile.flush()
        if len(sent) < len(body) or not behaviour.declare_length:
            self.close_connection = True


class MisbehavingServer:
    """Serves until the `with` block ends; a thread per request."""

    def __init__(self):
        self.closing = threading.Event()
        self.requests: list[tuple[str, dict]] = []
        self.methods: list[tuple[str, str]] = []
        self._served: dict[str, tuple[bytes, list[Behaviour]]] = {}
        self._counts: dict[str, int] = {}
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.daemon_threads = True
        self._server.owner = self
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )

    def __enter__(self) -> "MisbehavingServer":
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def serve(self, path: str, body: bytes, *behaviours: Behaviour) -> str:
        """Serve `body` at `path`; each behaviour in turn for its `times`, then a good one."""
        with self._lock:
            self._served["/" + path] = (body, list(behaviours))
            self._counts["/" + path] = 0
        return f"{self.address}/{path}"

    def next_answer(self, method: str, path: str, headers: dict) -> tuple[bytes | None, Behaviour]:
        with self._lock:
            self.requests.append((path, headers))
            self.methods.append((method, path))
            if path not in self._served:
                return None, Behaviour()
            body, behaviours = self._served[path]
            count = self._counts[path]
            self._counts[path] += 1
            for behaviour in behaviours:
                if behaviour.times is None or count < behaviour.times:
                    return body, behaviour
                count -= behaviour.times
            return body, Behaviour()

    def ranges(self, path: str) -> list[str | None]:
        """The Range of each request for `path`, None where the whole was asked."""
        return [headers.get("Range") for at, headers in self.requests if at == "/" + path]


def basic(name: str, key: str) -> str:
    """The header by which a client tells its name and key."""
    return "Basic " + base64.b64encode(f"{name}:{key}".encode()).decode()


def closed_port() -> int:
    """A port of 127.0.0.1 where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
