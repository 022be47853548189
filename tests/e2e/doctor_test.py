"""fathom doctor and fathom topo as people type them: recorded machines, real and hostile servers."""
import contextlib
import http.server
import json
import socket
import subprocess
import threading
import time
import urllib.request

import pytest
from conftest import FATHOM, MODEL, SOURCE, Server

DATA = SOURCE / "tests/data/diagnose"
HEALTHY = DATA / "healthy-h200x2.json"
KEYS = {"id", "severity", "evidence", "consequence", "fix", "next_command"}


def fathom(*arguments):
    return subprocess.run([FATHOM, *map(str, arguments)], capture_output=True, text=True,
                          timeout=120)


def findings(*arguments):
    done = fathom("doctor", *arguments, "--json")
    assert done.returncode in (0, 1), done.stderr
    return {each["id"]: each for each in json.loads(done.stdout)["findings"]}


def patched(tmp_path, patch):
    facts = json.loads(HEALTHY.read_text())
    for pointer, value in patch.items():
        *way, last = pointer.split("/")[1:]
        holder = facts
        for step in way:
            holder = holder[int(step) if isinstance(holder, list) else step]
        holder[int(last) if isinstance(holder, list) else last] = value
    file = tmp_path / "facts.json"
    file.write_text(json.dumps(facts))
    return file


def test_a_healthy_machine_has_no_findings():
    done = fathom("doctor", "--facts", HEALTHY, "--model", "deepseek-llm-7b")
    assert done.returncode == 0, done.stdout
    assert done.stdout.endswith("0 errors, 0 warnings, 0 for information.\n")


@pytest.mark.parametrize("provocation", json.loads((DATA / "provocations.json").read_text()),
                         ids=lambda each: each["finding"])
def test_each_finding_in_80_columns_and_in_json(tmp_path, provocation):
    arguments = ["--facts", patched(tmp_path, provocation["patch"])]
    if provocation.get("model"):
        arguments += ["--model", "deepseek-llm-7b"]
    done = fathom("doctor", *arguments, "--list-facts")
    assert max(map(len, done.stdout.splitlines())) <= 80
    report = json.loads(fathom("doctor", *arguments, "--json").stdout)
    assert set(report) == {"level", "facts", "findings"}
    assert all(set(each) == KEYS for each in report["findings"])
    found = [each for each in report["findings"] if each["id"] == provocation["finding"]]
    assert found
    has_error = any(each["severity"] == "error" for each in report["findings"])
    assert done.returncode == (1 if has_error else 0)
    assert f"{found[0]['severity']}: {provocation['finding']}" in done.stdout


def test_this_machine_can_be_recorded_and_judged_elsewhere(tmp_path):
    record = tmp_path / "facts.json"
    here = fathom("doctor", "--record", record, "--model", MODEL, "--json")
    assert here.returncode in (0, 1), here.stderr
    there = fathom("doctor", "--facts", record, "--model", MODEL, "--json")
    assert json.loads(here.stdout) == json.loads(there.stdout)
    facts = json.loads(record.read_text())
    assert facts["host"]["memory"]["total_bytes"] > 0
    assert facts["host"]["processor"]["num_online"] > 0
    assert {each["purpose"] for each in facts["host"]["storage"]} == {"model", "downloads"}


def test_usage_errors_exit_with_2():
    for arguments in (["--url", "127.0.0.1:8000"], ["--level", "4"], ["--interval", "0"],
                      ["--nope"], ["--facts", HEALTHY, "--level", "2"],
                      ["--facts", HEALTHY, "--url", "http://127.0.0.1:1"]):
        done = fathom("doctor", *arguments)
        assert done.returncode == 2 and done.stderr.count("\n") == 1, done


def test_other_mistakes_are_one_clear_line(tmp_path):
    (tmp_path / "bad.json").write_text('{"gpus": [{"pcie": {"widht": 1}}]}')
    (tmp_path / "empty").write_text("# none\n")
    for arguments, expected in (
            (["--facts", "/no/such/file"], "No such file"),
            (["--facts", tmp_path / "bad.json"], "gpus[0].pcie has a field that nobody knows"),
            (["--model", "/no/such/folder"], "no such"),
            (["--url", "http://127.0.0.1:1", "--api-key-file", tmp_path / "empty"], "no key"),
            (["--facts", HEALTHY, "--record", "/no/such/folder/x"], "No such file")):
        done = fathom("doctor", *arguments)
        assert done.returncode == 1 and done.stderr.count("\n") == 1, done
        assert expected in done.stderr


@contextlib.contextmanager
def fake_server(answers):
    """answers: path -> body, or a function that gets the request's handler."""
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            answer = answers.get(self.path)
            if callable(answer):
                return answer(self)
            body = (answer or "").encode()
            self.send_response(200 if answer is not None else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def vllm_metrics(running, waiting, usage=0.2):
    return (f'vllm:num_requests_running{{model_name="m",engine="0"}} {running}\n'
            f'vllm:num_requests_waiting{{model_name="m",engine="0"}} {waiting}\n'
            f'vllm:kv_cache_usage_perc{{model_name="m",engine="0"}} {usage}\n')


def ask(url, *arguments):
    start = time.time()
    found = findings("--url", url, "--interval", "0.1", *arguments)
    assert time.time() - start < 20
    return found


def test_a_server_that_nobody_runs():
    assert "server-unreachable" in ask("http://127.0.0.1:1")


def test_a_server_that_never_answers():
    listener = socket.create_server(("127.0.0.1", 0))
    found = ask(f"http://127.0.0.1:{listener.getsockname()[1]}")
    assert "imeout" in found["server-unreachable"]["evidence"]
    listener.close()


def test_a_server_that_speaks_no_http():
    listener = socket.create_server(("127.0.0.1", 0))

    def answer():
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                connection.sendall(b"\x00\x1b[2J SSH-2.0\r\n\r\n")
                connection.close()
    threading.Thread(target=answer, daemon=True).start()
    assert "server-unreachable" in ask(f"http://127.0.0.1:{listener.getsockname()[1]}")
    listener.close()


def endless(handler):
    handler.send_response(200)
    handler.end_headers()
    with contextlib.suppress(OSError):
        while True:
            handler.wfile.write(b"vllm:num_requests_running 1\n" * 1000)


def dripping(handler):
    handler.send_response(200)
    handler.end_headers()
    with contextlib.suppress(OSError):
        while True:
            handler.wfile.write(b"#")
            time.sleep(0.1)


def redirecting(handler):
    handler.send_response(302)
    handler.send_header("Location", "/health")
    handler.send_header("Content-Length", "0")
    handler.end_headers()


@pytest.mark.parametrize("metrics,expected", [
    (None, "HTTP 404"),
    ("<html>\x1b[31m no metrics here</html>", "line 1 is not of Prometheus's text format"),
    ("go_goroutines 7\n", "none of the known names"),
    ("vllm:num_requests_running{model_name=\"" + "x" * 100_000, "text format"),
    (endless, "over 8388608 bytes"),
    (dripping, "imeout"),
    (redirecting, "HTTP 302"),
])
def test_a_server_whose_metrics_are_of_no_use(metrics, expected):
    answers = {"/health": "", "/version": "{{{"}
    if metrics is not None:
        answers["/metrics"] = metrics
    with fake_server(answers) as url:
        assert expected in ask(url)["server-no-metrics"]["evidence"]


def test_a_server_whose_health_is_endless():
    with fake_server({"/health": endless}) as url:
        assert "over 65536 bytes" in ask(url)["server-unreachable"]["evidence"]


def test_replicas_are_compared():
    with fake_server({"/health": "", "/metrics": vllm_metrics(20, 10)}) as busy, \
         fake_server({"/health": "", "/metrics": vllm_metrics(1, 0)}) as idle:
        found = ask(busy, "--url", idle)
    assert f"{busy} has 30.0, {idle} has 1.0" in found["server-uneven-load"]["evidence"]
    assert "least requests" in found["server-uneven-load"]["fix"]


def test_a_full_cache_is_told_from_a_small_batch():
    with fake_server({"/health": "", "/metrics": vllm_metrics(20, 10, 0.97)}) as url:
        assert "server-limit-kv-cache" in ask(url)
    with fake_server({"/health": "", "/metrics": vllm_metrics(20, 10, 0.3)}) as url:
        assert "server-limit-queue" in ask(url)


@pytest.mark.parametrize("names", ["fathom", "vllm"])
def test_the_real_server_under_load(names):
    server = Server("--max-batch-size", "2", "--metrics-names", names, "--drain-seconds", "1")
    try:
        assert "server-idle" in ask(server.url)
        body = json.dumps({"model": "demo", "prompt": "The ", "max_tokens": 900,
                           "ignore_eos": True}).encode()

        def complete():
            request = urllib.request.Request(server.url + "/v1/completions", body,
                                             {"Content-Type": "application/json"})
            with contextlib.suppress(OSError):
                urllib.request.urlopen(request, timeout=60).read()

        for _ in range(8):
            threading.Thread(target=complete, daemon=True).start()
        time.sleep(0.5)
        done = fathom("doctor", "--url", server.url, "--interval", "1", "--json")
        report = json.loads(done.stdout)
        (facts,) = report["facts"]["servers"]
        assert facts["model"] == "demo" and facts["health_status"] == 200
        assert facts["version"] and facts["kv_cache_tokens"] > 0
        assert facts["running"] == 2 and facts["waiting"] > 0
        assert facts["tokens_per_step"] >= 1 and facts["generation_tokens_per_s"] > 0
        found = {each["id"] for each in report["findings"]}
        assert "server-limit-queue" in found
        assert found & {"server-limit-memory-bandwidth", "server-limit-host"}
    finally:
        server.stop()


def test_a_server_with_keys(tmp_path):
    keys = tmp_path / "keys"
    keys.write_text("# mine\na-key-of-some-length someone\n")
    keys.chmod(0o600)
    server = Server("--api-key-file", str(keys))
    try:
        assert "HTTP 401" in ask(server.url)["server-no-metrics"]["evidence"]
        assert "server-no-metrics" not in ask(server.url, "--api-key-file", keys)
    finally:
        server.stop()


def test_topo_draws_recorded_machines_and_this_one():
    done = fathom("topo", "--facts", DATA / "a100x8.json")
    assert done.returncode == 0 and "GPU 7 == 12 == NVSwitch" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    drawn = json.loads(fathom("topo", "--facts", DATA / "a100x8.json", "--json").stdout)
    assert len(drawn["gpus"]) == 8 and len(drawn["links"]) == 28 and len(drawn["numa_nodes"]) == 2
    here = fathom("topo")
    assert here.returncode == 0 and "NUMA node" in here.stdout
