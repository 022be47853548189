"""64 streams at a time, some of whose clients hang up: every answer that ends is the same as when
its request runs alone, and afterwards nothing is held."""
import concurrent.futures
import http.client
import json
import os
import random
import re
import time

from conftest import Server

NUM_STREAMS = 64
NUM_REQUESTS = int(os.environ.get("FATHOM_LOAD_REQUESTS", "128"))
WORDS = "model server token cache block prompt answer batch step memory weight layer".split()


def request_of(seed):
    rng = random.Random(seed)
    prompt = " ".join(rng.choice(WORDS) for _ in range(rng.choice([3, 10, 40, 150])))
    return {"model": "demo", "prompt": prompt, "max_tokens": rng.choice([1, 8, 30, 60]),
            "temperature": rng.choice([0, 0.7, 1.0]), "top_p": rng.choice([1.0, 0.9]),
            "presence_penalty": rng.choice([0, 0, 0.5]), "seed": seed, "stream": True,
            "ignore_eos": True, "logprobs": rng.choice([None, None, 2])}


def ask(server, body, leave_after=None):
    """The events of the stream, without what differs from run to run; None if the client left."""
    host = server.url.removeprefix("http://")
    connection = http.client.HTTPConnection(host, timeout=300)
    connection.request("POST", "/v1/completions", json.dumps(body),
                       {"Content-Type": "application/json"})
    response = connection.getresponse()
    assert response.status == 200, response.read()
    pieces, logprobs, finish = [], [], None
    for line in response:
        if not line.startswith(b"data: {"):
            continue
        event = json.loads(line[6:])
        assert "error" not in event, event
        for choice in event["choices"]:
            pieces.append(choice["text"])
            finish = choice["finish_reason"] or finish
            if choice.get("logprobs"):
                logprobs += choice["logprobs"]["token_logprobs"]
        if leave_after is not None and len(pieces) > leave_after:
            connection.close()
            return None
    connection.close()
    return "".join(pieces), finish, logprobs


def gauge(server, name):
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"))
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    return float(re.search(rf"^fathom_{name}{{[^}}]*}} (\S+)$", text, re.M).group(1))


def private_bytes(server):
    with open(f"/proc/{server.process.pid}/status", encoding="ascii") as file:
        return int(re.search(r"RssAnon:\s+(\d+) kB", file.read()).group(1)) << 10


def test_answers_under_load_are_those_of_requests_alone():
    server = Server("--max-batch-size", "16", "--max-queue", "1000", "--kv-memory", "24MiB")
    try:
        seeds = list(range(NUM_REQUESTS))
        leaves = {seed: random.Random(seed).randrange(3) for seed in seeds if seed % 5 == 0}
        alone = {seed: ask(server, request_of(seed)) for seed in seeds[:40] if seed not in leaves}
        for seed in seeds[:NUM_STREAMS]:
            alone.setdefault(seed, None)
        held_before = private_bytes(server)
        with concurrent.futures.ThreadPoolExecutor(NUM_STREAMS) as pool:
            answers = dict(zip(seeds, pool.map(
                lambda seed: ask(server, request_of(seed), leaves.get(seed)), seeds)))
        for seed in seeds:
            if alone.get(seed) is not None:
                assert answers[seed] == alone[seed], request_of(seed)
            elif seed not in leaves:
                assert answers[seed] == ask(server, request_of(seed)), request_of(seed)
        end = time.time() + 10
        while gauge(server, "num_requests_running") or gauge(server, "kv_cache_usage_perc"):
            assert time.time() < end, "something is held for requests that have ended"
            time.sleep(0.05)
        # Device memory was taken at the start; what connections and answers need comes and goes.
        assert private_bytes(server) - held_before < 64 << 20
    finally:
        assert server.stop() == 0
