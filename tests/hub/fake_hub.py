"""A model hub on loopback that speaks the API of the real one, with faults on request.

  python3 fake_hub.py FOLDER        serves FOLDER as test/model; prints its port

Faults are counted down: POST /fault with {"cut": N} breaks the next N file bodies off half-way,
{"error": N} answers the next N with 503, {"corrupt": N} changes a byte, {"no_range": N} ignores
Range. GET /stats tells the bytes of file bodies sent. A token is wanted if HUB_TOKEN is set.
"""
import hashlib
import http.server
import json
import os
import pathlib
import sys
import threading
import urllib.parse

FOLDER = pathlib.Path(sys.argv[1])
COMMIT = "0123456789abcdef0123456789abcdef01234567"
faults = {"cut": 0, "error": 0, "corrupt": 0, "no_range": 0}
stats = {"bytes": 0, "tokens_at_storage": 0}
lock = threading.Lock()


def take(fault):
    with lock:
        if faults[fault] > 0:
            faults[fault] -= 1
            return True
    return False


def etag(path):
    data = path.read_bytes()
    if path.suffix == ".safetensors":
        return hashlib.sha256(data).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def answer(self, status, body=b"", headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with lock:
            faults.update(json.loads(body))
        self.answer(200)

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        if self.path == "/stats":
            return self.answer(200, json.dumps(stats).encode())
        if self.path.startswith("/storage/"):
            if "Authorization" in self.headers:
                stats["tokens_at_storage"] += 1
            return self.send_file(FOLDER / self.path.removeprefix("/storage/"))
        wanted = os.environ.get("HUB_TOKEN")
        if wanted and self.headers.get("Authorization") != "Bearer " + wanted:
            return self.answer(401)
        if self.path.startswith(("/api/models/test/model/revision/",
                                 "/api/models/old/name/revision/")):
            if not self.path.endswith(("/main", "/v1", "/refs%2Fpr%2F1", "/" + COMMIT)):
                return self.answer(404)
            files = [{"rfilename": p.relative_to(FOLDER).as_posix()}
                     for p in sorted(FOLDER.rglob("*")) if p.is_file()]
            return self.answer(200, json.dumps({"sha": COMMIT, "siblings": files}).encode())
        resolve, cache = f"/test/model/resolve/{COMMIT}/", "/api/resolve-cache/"
        if self.path.startswith("/old/name/"):  # a renamed model
            return self.answer(307, headers=[
                ("Location", self.path.replace("/old/name/", "/test/model/"))])
        if not self.path.startswith((resolve, cache)):
            return self.answer(404)
        name = urllib.parse.unquote(self.path.removeprefix(resolve).removeprefix(cache))
        path = FOLDER / name
        if not path.is_file():
            return self.answer(404)
        if self.path.startswith(resolve) and path.suffix == ".json":  # by way of another path
            return self.answer(307, b"see there", [("Location", cache + urllib.parse.quote(name))])
        if path.suffix == ".safetensors":  # large files lie on another host
            port = self.server.storage_port
            return self.answer(302, headers=[
                ("Location", f"http://localhost:{port}/storage/{path.name}"),
                ("X-Repo-Commit", COMMIT), ("X-Linked-Size", str(path.stat().st_size)),
                ("X-Linked-Etag", f'"{etag(path)}"')])
        self.send_file(path, [("X-Repo-Commit", COMMIT), ("ETag", f'"{etag(path)}"')])

    def send_file(self, path, headers=()):
        if self.command != "HEAD" and take("error"):
            return self.answer(503)
        data = path.read_bytes()
        total, first = len(data), 0
        requested = self.headers.get("Range")
        if requested and not take("no_range"):
            first = int(requested.removeprefix("bytes=").rstrip("-"))
            data = data[first:]
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {first}-{total - 1}/{total}")
        else:
            self.send_response(200)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command == "HEAD":
            return
        if data and take("corrupt"):
            data = data[:-1] + bytes([data[-1] ^ 1])
        is_cut = len(data) > 1 and take("cut")
        if is_cut:
            data = data[:len(data) // 2]
        with lock:
            stats["bytes"] += len(data)
        self.wfile.write(data)
        if is_cut:
            self.wfile.flush()
            self.close_connection = True
            self.connection.shutdown(2)


def main():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    storage = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.storage_port = storage.server_address[1]
    storage.storage_port = server.storage_port
    threading.Thread(target=storage.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)
    server.serve_forever()


main()
