"""The HTTP server: werkzeug's threaded one, with connections that stay open between requests."""

import io
import sys
import traceback

from moto.moto_server.werkzeug_app import MotoRequestHandler
from werkzeug.serving import make_server

HOST = "127.0.0.1"
MOST_BYTES = 64 * 1024 * 1024
NO_BODY = ("204", "304")


class Handler(MotoRequestHandler):
    """werkzeug's closes each connection, since an application may leave part of a request unread; this one reads
    every request whole before it is handled, and writes every answer at once."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    verbose = False

    def log(self, type, message, *args):
        if self.verbose or type == "error":
            sys.stderr.write(f"{self.address_string()} {message % args}\n")

    def read_body(self):
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            return b"".join(iter(self.read_chunk, b""))
        length = int(self.headers.get("Content-Length") or 0)
        return self.rfile.read(self.bounded(length)) if length else b""

    def read_chunk(self):
        size = int(self.rfile.readline(1024).split(b";")[0], 16)
        data = self.rfile.read(self.bounded(size))
        while self.rfile.readline(1024) not in (b"\r\n", b"\n", b""):
            pass  # trailers after the last chunk
        return data

    def bounded(self, size):
        if not 0 <= size <= MOST_BYTES:
            self.close_connection = True
            raise ConnectionError(f"a body of {size} bytes")
        return size

    def run_wsgi(self):
        body = self.read_body()
        environ = self.make_environ()
        environ.pop("HTTP_TRANSFER_ENCODING", None)
        environ.pop("wsgi.input_terminated", None)
        environ.update({"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))})
        answered = []
        try:
            parts = self.server.app(environ, lambda status, headers, exc_info=None: answered.append((status, headers)))
            data = b"".join(parts)
            if hasattr(parts, "close"):
                parts.close()
            status, headers = answered[-1]
        except Exception:
            self.log("error", "%s", traceback.format_exc())
            status, headers, data = "500 Internal Server Error", [("Content-Type", "text/plain")], b"emulator failed\n"
        self.write_answer(status, headers, data)

    def write_answer(self, status, headers, data):
        code, _, reason = status.partition(" ")
        self.send_response(int(code), reason)
        names = set()
        for name, value in headers:
            if name.lower() not in ("connection", "transfer-encoding"):
                self.send_header(name, value)
                names.add(name.lower())
        if "content-length" not in names and code not in NO_BODY:
            self.send_header("Content-Length", str(len(data)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD" and code not in NO_BODY:
            self.wfile.write(data)
        self.wfile.flush()


def make(port, application, verbose=False):
    server = make_server(HOST, port, application, threaded=True,
                         request_handler=type("Chosen", (Handler,), {"verbose": verbose}))
    server.daemon_threads = True
    return server
