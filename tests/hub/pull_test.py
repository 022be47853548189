"""fathom pull against a hub on loopback: whole, broken, hostile."""
import hashlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request

import pytest

SOURCE = pathlib.Path(__file__).resolve().parent.parent.parent
FATHOM = os.environ.get("FATHOM", str(SOURCE / "build/fathom"))
COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub:
    def __init__(self, folder, **environment):
        self.process = subprocess.Popen(
            [sys.executable, str(SOURCE / "tests/hub/fake_hub.py"), str(folder)],
            stdout=subprocess.PIPE, text=True, env={**os.environ, **environment})
        self.url = f"http://127.0.0.1:{self.process.stdout.readline().strip()}"

    def fault(self, **faults):
        urllib.request.urlopen(self.url + "/fault", json.dumps(faults).encode()).read()

    def stats(self):
        return json.load(urllib.request.urlopen(self.url + "/stats"))


@pytest.fixture
def repository(tmp_path):
    folder = tmp_path / "repository"
    shutil.copytree(SOURCE / "tests/data/models/tiny-qwen2", folder)
    (folder / "pytorch_model.bin").write_bytes(b"pickle")
    (folder / "onnx").mkdir()
    (folder / "onnx/model.safetensors").write_bytes(b"x")
    (folder / "empty.json").write_bytes(b"")
    (folder / "a name #1.json").write_bytes(b"{}")
    return folder


@pytest.fixture
def hub(repository):
    hub = Hub(repository)
    yield hub
    hub.process.kill()


def command(hub, home, *arguments, name="test/model", **environment):
    base = {k: v for k, v in os.environ.items() if not k.startswith("HF_")}
    return [FATHOM, "pull", name, "--endpoint", hub.url, *arguments], {
        **base, "HF_HOME": str(home), **environment}


def pull(hub, home, *arguments, **options):
    line, env = command(hub, home, *arguments, **options)
    return subprocess.run(line, env=env, capture_output=True, text=True, timeout=60)


def expect_whole(home, repository):
    snapshot = home / "hub/models--test--model/snapshots" / COMMIT
    for name in ("config.json", "model.safetensors", "tokenizer.json", "empty.json",
                 "a name #1.json"):
        assert (snapshot / name).read_bytes() == (repository / name).read_bytes(), name
        assert (snapshot / name).is_symlink()
    assert (home / "hub/models--test--model/refs/main").read_text() == COMMIT
    assert not (snapshot / "pytorch_model.bin").exists()
    blob = (snapshot / "model.safetensors").resolve()
    assert hashlib.sha256(blob.read_bytes()).hexdigest() == blob.name
    return snapshot


def test_pulls_into_the_shared_cache(hub, tmp_path, repository):
    done = pull(hub, tmp_path, "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    snapshot = expect_whole(tmp_path, repository)
    assert result["folder"] == str(snapshot) and result["commit"] == COMMIT
    assert result["downloaded_bytes"] == result["bytes"]
    again = json.loads(pull(hub, tmp_path, "--json").stdout)
    assert again["downloaded_bytes"] == 0


def test_the_pulled_name_is_a_model(hub, tmp_path):
    assert pull(hub, tmp_path).returncode == 0
    _, env = command(hub, tmp_path)
    ran = subprocess.run([FATHOM, "run", "test/model", "--raw", "hello", "--max-tokens", "3",
                          "--json"], env=env, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
    assert len(json.loads(ran.stdout)["token_ids"]) <= 3
    missing = subprocess.run([FATHOM, "run", "test/other", "x"], env=env, capture_output=True,
                             text=True, timeout=60)
    assert missing.returncode == 1 and "fathom pull test/other" in missing.stderr


def test_what_is_printed_after_a_pull_serves_it(hub, tmp_path, repository):
    for revision in ("v1", "refs/pr/1", COMMIT, "main"):
        home = tmp_path / revision.replace("/", "-")
        done = pull(hub, home, "--revision", revision)
        assert done.returncode == 0, done.stderr
        model = re.search(r"^Serve it with: fathom serve (.+)$", done.stdout, re.M).group(1)
        ran = subprocess.run([FATHOM, "run", model, "--raw", "hello", "--max-tokens", "2"],
                             env=command(hub, home)[1], capture_output=True, text=True, timeout=60)
        assert ran.returncode == 0, ran.stderr
        assert "test/model: Qwen2ForCausalLM" in ran.stderr  # not the commit's digits


def test_follows_a_renamed_model(hub, tmp_path, repository):
    done = pull(hub, tmp_path, name="old/name")
    assert done.returncode == 0, done.stderr
    snapshot = tmp_path / "hub/models--old--name/snapshots" / COMMIT
    for name in ("config.json", "model.safetensors", "a name #1.json"):
        assert (snapshot / name).read_bytes() == (repository / name).read_bytes(), name


def test_goes_on_after_broken_connections(hub, tmp_path, repository):
    hub.fault(cut=3, error=2)
    done = pull(hub, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "trying again" in done.stderr
    expect_whole(tmp_path, repository)
    total = sum(p.stat().st_size for p in repository.glob("*") if p.suffix != ".bin" and p.is_file())
    assert hub.stats()["bytes"] == total  # what had come was not fetched again


def test_servers_without_ranges_work(hub, tmp_path, repository):
    hub.fault(cut=2, no_range=10)
    assert pull(hub, tmp_path).returncode == 0
    expect_whole(tmp_path, repository)


def test_a_wrong_byte_is_noticed_and_fetched_again(hub, tmp_path, repository):
    hub.fault(corrupt=2)
    done = pull(hub, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "checksum" in done.stderr
    expect_whole(tmp_path, repository)


def test_lasting_corruption_is_an_error_and_leaves_no_file(hub, tmp_path):
    hub.fault(corrupt=10_000)
    done = pull(hub, tmp_path)
    assert done.returncode == 1
    assert "checksum" in done.stderr
    root = tmp_path / "hub/models--test--model"
    assert not (root / "refs").exists()
    assert [p for p in (root / "blobs").iterdir()
            if p.suffix not in (".incomplete", ".lock") and p.stat().st_size] == []


def test_killed_and_started_again_it_resumes(hub, tmp_path, repository):
    with open(repository / "model.safetensors", "rb") as file:
        size = len(file.read())
    hub.fault(cut=1000)
    line, env = command(hub, tmp_path)
    process = subprocess.Popen(line, env=env, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    blobs = tmp_path / "hub/models--test--model/blobs"
    for _ in range(200):
        time.sleep(0.01)
        if any(p.stat().st_size > size // 2 for p in blobs.glob("*.incomplete")):
            break
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "hub/models--test--model/refs").exists()
    before = hub.stats()["bytes"]
    hub.fault(cut=0)
    assert pull(hub, tmp_path).returncode == 0
    expect_whole(tmp_path, repository)
    assert hub.stats()["bytes"] - before < size  # the first half was kept


def test_two_pulls_at_once_do_no_harm(hub, tmp_path, repository):
    line, env = command(hub, tmp_path)
    both = [subprocess.Popen(line, env=env, stderr=subprocess.PIPE) for _ in range(2)]
    for process in both:
        assert process.wait(60) == 0, process.stderr.read()
    expect_whole(tmp_path, repository)


def test_a_token_is_sent_to_the_hub_alone(repository, tmp_path):
    hub = Hub(repository, HUB_TOKEN="secret")
    try:
        refused = pull(hub, tmp_path)
        assert refused.returncode == 1 and "HF_TOKEN" in refused.stderr
        wrong = pull(hub, tmp_path, HF_TOKEN="wrong")
        assert wrong.returncode == 1 and "wrong" not in wrong.stderr
        assert pull(hub, tmp_path, HF_TOKEN="secret").returncode == 0
        assert hub.stats()["tokens_at_storage"] == 0
    finally:
        hub.process.kill()


@pytest.mark.parametrize("arguments,text", [
    (["--revision", "nope"], "no such model or revision"),
    (["--revision", "../x"], "not a revision"),
])
def test_refuses_what_is_not_there(hub, tmp_path, arguments, text):
    done = pull(hub, tmp_path, *arguments)
    assert done.returncode == 1 and text in done.stderr, done.stderr


def test_refuses_bad_names_and_silent_hubs(hub, tmp_path):
    for name in ("../etc", "a/b/c", "a b", "-x/y"):
        done = subprocess.run([FATHOM, "pull", "--endpoint", hub.url, "--", name],
                              capture_output=True, text=True, timeout=60)
        assert done.returncode == 1 and "not a model name" in done.stderr, done.stderr
    hub.process.kill()
    hub.process.wait()
    done = pull(hub, tmp_path)
    assert done.returncode == 1 and "127.0.0.1" in done.stderr


def test_a_model_without_safetensors_is_named(hub, tmp_path, repository):
    (repository / "model.safetensors").unlink()
    done = pull(hub, tmp_path)
    assert done.returncode == 1 and "no weights in safetensors format" in done.stderr
