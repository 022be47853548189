"""What operators rely on: keys, metrics, CORS, TLS, draining, killing, and clients that leave."""
import asyncio
import concurrent.futures
import json
import re
import signal
import ssl
import socket
import subprocess
import time
import urllib.error
import urllib.request

import pytest
from conftest import Server

CHAT = "/v1/chat/completions"


def call(server, path, body=None, headers=None, context=None):
    """Status, headers and text of the answer."""
    request = urllib.request.Request(
        server.url + path, data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json", **(headers or {})})
    try:
        with urllib.request.urlopen(request, timeout=60, context=context) as answer:
            return answer.status, dict(answer.headers), answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, dict(error.headers), error.read().decode()


def chat(**fields):
    return {"model": "demo", "messages": [{"role": "user", "content": "What is GPTQ?"}],
            "temperature": 0, **fields}


def metric(server, name, prefix="fathom_"):
    text = call(server, "/metrics")[2]
    values = re.findall(rf"^{prefix}{name}(?:{{[^}}]*}})? (\S+)$", text, re.M)
    assert values, f"no {prefix}{name} in\n{text[:2000]}"
    return sum(float(value) for value in values)


def wait_for(condition, seconds=10):
    end = time.time() + seconds
    while not condition():
        assert time.time() < end
        time.sleep(0.02)


def test_keys_are_asked_for_everywhere_but_at_the_probes(tmp_path):
    keys = tmp_path / "keys"
    keys.write_text("a-key-that-nobody-guesses first\n")
    keys.chmod(0o600)
    server = Server("--api-key-file", str(keys))
    try:
        for path in ("/health", "/livez", "/readyz"):
            assert call(server, path)[0] == 200
        for path in ("/v1/models", "/metrics", "/version", "/no/such/path"):
            status, headers, _ = call(server, path)
            assert status == 401 and "WWW-Authenticate" in headers, path
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(server.url + "/v1/models")
        assert refused.value.headers.get_all("WWW-Authenticate") == ["Bearer"]
        assert call(server, CHAT, chat(max_tokens=1))[0] == 401
        wrong = {"Authorization": "Bearer another-key"}
        assert call(server, CHAT, chat(max_tokens=1), wrong)[0] == 401
        right = {"Authorization": "Bearer a-key-that-nobody-guesses"}
        assert call(server, CHAT, chat(max_tokens=1), right)[0] == 200
        assert call(server, "/metrics", headers=right)[0] == 200
    finally:
        assert server.stop() == 0


def test_metrics_count_requests_and_tokens(server):
    before = metric(server, "generation_tokens_total")
    status, _, _ = call(server, CHAT, chat(max_tokens=7, ignore_eos=True))
    assert status == 200
    wait_for(lambda: metric(server, "generation_tokens_total") == before + 7)
    assert metric(server, "num_requests_running") == 0
    assert metric(server, "iteration_tokens_total_count") > 0
    assert metric(server, "http_requests_total") > 0


def test_metrics_go_by_other_names_too():
    server = Server("--metrics-names", "vllm")
    try:
        for name in ("num_requests_running", "num_requests_waiting", "kv_cache_usage_perc"):
            assert metric(server, name, "vllm:") == 0
    finally:
        assert server.stop() == 0


def test_cross_origin_calls_are_off_unless_asked_for(server):
    origin = {"Origin": "https://page.example"}
    assert "Access-Control-Allow-Origin" not in call(server, "/v1/models", headers=origin)[1]
    open_server = Server("--cors-origin", "https://page.example")
    try:
        headers = call(open_server, "/v1/models", headers=origin)[1]
        assert headers["Access-Control-Allow-Origin"] == "https://page.example"
        other = {"Origin": "https://other.example"}
        assert "Access-Control-Allow-Origin" not in call(open_server, "/v1/models",
                                                         headers=other)[1]
    finally:
        assert open_server.stop() == 0


def test_it_serves_tls(tmp_path):
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1",
                    "-keyout", key, "-out", certificate], check=True, capture_output=True)
    server = Server("--tls-cert", str(certificate), "--tls-key", str(key))
    try:
        assert server.url.startswith("https://")
        context = ssl.create_default_context(cafile=certificate)
        assert call(server, CHAT, chat(max_tokens=3), context=context)[0] == 200
    finally:
        assert server.stop() == 0


def test_told_to_stop_it_finishes_what_runs():
    server = Server("--drain-seconds", "60")
    with concurrent.futures.ThreadPoolExecutor() as pool:
        answer = pool.submit(call, server, CHAT, chat(max_tokens=600, ignore_eos=True))
        wait_for(lambda: metric(server, "num_requests_running") == 1)
        server.process.send_signal(signal.SIGTERM)
        status, _, text = answer.result()
    assert status == 200
    assert json.loads(text)["usage"]["completion_tokens"] == 600
    assert server.process.wait(30) == 0


def test_told_to_stop_it_says_so_to_probes_and_new_requests():
    server = Server("--drain-seconds", "60")
    with concurrent.futures.ThreadPoolExecutor() as pool:
        answer = pool.submit(call, server, CHAT, chat(max_tokens=1500, ignore_eos=True))
        wait_for(lambda: metric(server, "num_requests_running") == 1)
        assert call(server, "/readyz")[0] == 200
        server.process.send_signal(signal.SIGTERM)
        start = time.time()
        wait_for(lambda: call(server, "/readyz")[0] == 503, 1)
        assert time.time() - start < 0.5
        assert call(server, "/livez")[0] == call(server, "/health")[0] == 200
        status, headers, _ = call(server, CHAT, chat(max_tokens=1))
        assert status == 503 and int(headers["Retry-After"]) >= 1
        assert metric(server, "num_requests_running") == 1
        assert answer.result()[0] == 200
    assert server.process.wait(30) == 0


def test_the_ledger_is_printed():
    server = Server("--kv-memory", "16MiB", "--max-context", "1024", "--max-batch-size", "4")
    assert server.stop() == 0
    errors = server.process.stderr.read()
    line = re.search(r"memory: .*", errors).group()
    assert re.fullmatch(
        r"memory: weights [\d.]+ MiB, KV cache 16\.0 MiB \(2048 tokens\), workspace [\d.]+ MiB, "
        r"logits [\d.]+ MiB, runtime [\d.]+ MiB; nothing more is taken later", line), line
    assert "context: 1024 tokens of the model's 2048" in errors


def test_it_cuts_off_what_does_not_end_in_time():
    server = Server("--drain-seconds", "0")
    with concurrent.futures.ThreadPoolExecutor() as pool:
        answer = pool.submit(call, server, CHAT, chat(max_tokens=1800, ignore_eos=True))
        wait_for(lambda: metric(server, "num_requests_running") == 1)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(10) == 0
        try:
            assert answer.result()[0] != 200
        except OSError:
            pass  # the connection was closed
        except Exception as error:  # http.client says so in its own way
            assert "Remote end closed" in str(error) or "Incomplete" in type(error).__name__


def test_killed_at_any_moment_it_starts_again():
    for delay in (0.0, 0.05, 0.3):
        server = Server()
        with concurrent.futures.ThreadPoolExecutor() as pool:
            answer = pool.submit(call, server, CHAT, chat(max_tokens=1800, ignore_eos=True))
            time.sleep(delay)
            server.process.kill()
            server.process.wait()
            with pytest.raises(Exception):
                answer.result()
    server = Server()
    assert call(server, CHAT, chat(max_tokens=2))[0] == 200
    assert server.stop() == 0


def test_a_client_that_leaves_frees_what_it_held(server):
    host, port = server.url.removeprefix("http://").split(":")
    for stream in (True, False):
        body = json.dumps(chat(max_tokens=1800, ignore_eos=True, stream=stream)).encode()
        connection = socket.create_connection((host, int(port)))
        connection.sendall(b"POST " + CHAT.encode() + b" HTTP/1.1\r\nHost: x\r\n"
                           b"Content-Type: application/json\r\nContent-Length: "
                           + str(len(body)).encode() + b"\r\n\r\n" + body)
        wait_for(lambda: metric(server, "num_requests_running") == 1)
        assert metric(server, "kv_cache_usage_perc") > 0
        connection.close()
        wait_for(lambda: metric(server, "num_requests_running") == 0, 1)
        assert metric(server, "kv_cache_usage_perc") == 0


def test_limits_before_work(server):
    nested = {"a": 1}
    for _ in range(31):  # with the body: one level more than may be
        nested = {"a": nested}
    status, _, text = call(server, CHAT, chat(metadata=nested))
    assert status == 400 and "deep" in text, text
    assert call(server, CHAT, chat(metadata=nested["a"], max_tokens=1))[0] == 200
    assert call(server, CHAT, chat(metadata={"a": "x" * (7 << 20)}, max_tokens=1))[0] == 200
    host, port = server.url.removeprefix("http://").split(":")
    for head, status in ((f"Content-Length: {(8 << 20) + 1}", 413), ("X: " + "x" * (17 << 10), 431),
                         ("\r\n".join(f"X{i}: 1" for i in range(101)), 431)):
        with socket.create_connection((host, int(port)), timeout=5) as connection:
            connection.sendall(f"POST {CHAT} HTTP/1.1\r\nHost: x\r\n{head}\r\n\r\n".encode())
            assert connection.recv(1000).split()[1] == str(status).encode()


async def post_often(server, body, count, results):
    """Appends status, Retry-After and seconds of each of `count` requests on one connection."""
    host, port = server.url.removeprefix("http://").split(":")
    head = (f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n").encode()
    reader, writer = await asyncio.open_connection(host, int(port))
    for _ in range(count):
        start = time.perf_counter()
        writer.write(head + body)
        answer = (await reader.readuntil(b"\r\n\r\n")).decode()
        await reader.readexactly(int(re.search(r"(?i)content-length: (\d+)", answer).group(1)))
        retry_after = re.search(r"(?i)retry-after: (\d+)", answer)
        results.append((int(answer.split()[1]), retry_after and int(retry_after.group(1)),
                        time.perf_counter() - start))
        await asyncio.sleep(0.02)
    writer.close()


def test_overload_is_answered_quickly_and_says_when_to_come_again():
    server = Server("--max-batch-size", "2", "--max-queue", "2")
    body = json.dumps(chat(max_tokens=60, ignore_eos=True)).encode()
    results = []

    async def overload():  # ten times what the server takes
        await asyncio.gather(*[post_often(server, body, 25, results) for _ in range(40)])

    try:
        asyncio.run(overload())
    finally:
        assert server.stop() == 0
    assert len(results) == 1000 and any(status == 200 for status, _, _ in results)
    rejected = sorted(seconds for status, _, seconds in results if status != 200)
    for status, retry_after, _ in results:
        assert status == 200 or (status in (429, 503) and retry_after >= 1)
    p99_ms = rejected[int(len(rejected) * 0.99)] * 1e3
    print(f"{len(rejected)} of 1000 rejected, p99 {p99_ms:.1f} ms")
    assert p99_ms < 50


def test_a_lost_device_starts_the_server_again_in_its_place():
    server = Server()
    process = server.process.pid
    try:
        # What the engine raises when its device has failed for good.
        server.process.send_signal(signal.SIGUSR1)
        server.wait_until_serving()
        assert server.process.poll() is None and server.process.pid == process
        assert call(server, CHAT, chat(max_tokens=2))[0] == 200
    finally:
        assert server.stop() == 0


def test_a_device_that_is_lost_again_and_again_ends_the_server():
    server = Server()
    for _ in range(3):
        server.process.send_signal(signal.SIGUSR1)
        server.wait_until_serving()
    server.process.send_signal(signal.SIGUSR1)
    assert server.process.wait(20) == 1
    assert "needs attention" in server.process.stderr.read()
