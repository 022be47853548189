"""The official OpenAI client against the real server."""
import concurrent.futures
import json
import socket
import subprocess
import time
import urllib.request

import openai
import pytest

QUESTION = [{"role": "user", "content": "how do I start the server"}]


@pytest.fixture
def client(server):
    return openai.OpenAI(base_url=server.url + "/v1", api_key="none", max_retries=0, timeout=60)


def test_chats(client):
    answer = client.chat.completions.create(model="demo", messages=QUESTION, temperature=0)
    assert answer.choices[0].message.content.startswith(" Run: fathom serve MODEL --port 8000.")
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.prompt_tokens == 17
    assert answer.usage.total_tokens == 17 + answer.usage.completion_tokens


def test_streams(client):
    whole = client.chat.completions.create(model="demo", messages=QUESTION, temperature=0)
    stream = client.chat.completions.create(model="demo", messages=QUESTION, temperature=0,
                                            stream=True, stream_options={"include_usage": True})
    chunks = list(stream)
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert text == whole.choices[0].message.content
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens
    assert len(chunks) > 10


def test_chats_in_chinese(client):
    messages = [{"role": "user", "content": "需要多少显存？"}]
    stream = client.chat.completions.create(model="demo", messages=messages, temperature=0,
                                            stream=True)
    text = "".join(c.choices[0].delta.content or "" for c in stream)
    assert "显存" in text or "GB" in text
    assert "\ufffd" not in text


def test_completes_and_stops(client):
    answer = client.completions.create(model="demo", prompt="The ", max_tokens=8, temperature=0)
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage.completion_tokens == 8
    cut = client.completions.create(model="demo", prompt="The ", max_tokens=40, temperature=0,
                                    stop=["command"])
    assert "command" not in cut.choices[0].text
    assert cut.choices[0].finish_reason == "stop"


def test_lists_the_model(client):
    assert [m.id for m in client.models.list()] == ["demo"]
    assert client.models.retrieve("demo").id == "demo"


def test_raises_the_clients_errors(client):
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(model="gpt-4", messages=QUESTION)
    with pytest.raises(openai.BadRequestError) as error:
        client.chat.completions.create(model="demo", messages=QUESTION, temperature=9)
    assert error.value.param == "temperature"
    with pytest.raises(openai.BadRequestError) as error:
        client.completions.create(model="demo", prompt="word " * 5000)
    assert error.value.code == "context_length_exceeded"
    with pytest.raises(openai.BadRequestError) as error:
        client.completions.create(model="demo", prompt="x", max_tokens=10**6)
    assert error.value.code == "context_length_exceeded"


def test_seeds_repeat_whatever_else_runs(client):
    def ask(seed):
        return client.completions.create(model="demo", prompt="春", max_tokens=24, seed=seed,
                                         temperature=1.0).choices[0].text
    alone = [ask(seed) for seed in range(6)]
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        together = list(pool.map(ask, range(6)))
    assert alone == together
    assert len(set(alone)) > 1


def test_a_client_that_leaves_frees_its_place(server, client):
    host, port = server.url.removeprefix("http://").split(":")
    body = json.dumps({"model": "demo", "prompt": "The ", "max_tokens": 2000, "ignore_eos": True,
                       "stream": True}).encode()
    for _ in range(40):  # more than run at a time
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d"
                               b"\r\n\r\n" % len(body) + body)
            assert connection.recv(100)
    start = time.time()
    client.completions.create(model="demo", prompt="The ", max_tokens=2)
    assert time.time() - start < 5


def test_the_curl_line_works_when_pasted(server):
    line = next(l for l in server.output.splitlines() if l.startswith("curl"))
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=60)
    assert json.loads(done.stdout)["choices"][0]["message"]["content"]


def test_health_and_version(server):
    assert json.load(urllib.request.urlopen(server.url + "/health")) == {"status": "ok"}
    assert "version" in json.load(urllib.request.urlopen(server.url + "/version"))
