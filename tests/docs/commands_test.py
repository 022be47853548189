"""Every command in PAGES runs: as it stands, or as a comment above its block says.

run: as it stands.  help: with --help, where it needs the network or real weights.
serve: started, asked for its health, stopped.  skip: with the reason.
output: as it stands, and what it prints is the text below it, whose lines "..." stand for any lines.
"""
import contextlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time
import urllib.request

import pytest

SOURCE = pathlib.Path(__file__).resolve().parent.parent.parent
FATHOM = os.environ.get("FATHOM", str(SOURCE / "build/fathom"))
PAGES = ["README.md", "docs/benchmarks.md", "docs/plan.md", "docs/doctor.md"]
BLOCK = re.compile(r"<!-- test: (\w+).*?-->\n```sh\n(.*?)```", re.S)


def blocks(name):
    text = (SOURCE / name).read_text()
    found = BLOCK.findall(text)
    assert len(found) == text.count("```sh"), f"{name}: a block of commands without a test comment"
    return found


def commands(how):
    return [line for name in PAGES for kind, block in blocks(name)
            if kind == how for line in block.splitlines()]


def shown_outputs():
    """(command, text) of each block of commands that an output follows."""
    found = []
    for name in PAGES:
        here = re.findall(r"<!-- test: output -->\n```sh\n(.*?)\n```\n\n```text\n(.*?)```",
                          (SOURCE / name).read_text(), re.S)
        assert len(here) == sum(kind == "output" for kind, _ in blocks(name)), name
        found += here
    return found


def run(line):
    # What was once measured on this machine must not decide what a plan prints.
    return subprocess.run(["bash", "-c", line.replace("build/fathom", FATHOM)], cwd=SOURCE,
                          capture_output=True, text=True, timeout=300,
                          env={**os.environ, "FATHOM_CALIBRATION": "/nonexistent/calibration.json"})


@contextlib.contextmanager
def serving(line, environment=None):
    """What a command prints until it serves; then it is stopped, and has to end well."""
    process = subprocess.Popen(["bash", "-c", line], cwd=SOURCE, stdout=subprocess.PIPE, text=True,
                               env=environment)
    output = ""
    while "Stop with" not in output:
        text = process.stdout.readline()
        assert text, output
        output += text
    try:
        yield output
    finally:
        process.terminate()
        assert process.wait(20) == 0


def test_both_readmes_have_the_same_commands():
    assert blocks("README.md") == blocks("README.zh-CN.md")


def test_both_readmes_tell_the_same():
    english, chinese = [(SOURCE / name).read_text() for name in ("README.md", "README.zh-CN.md")]
    code = re.compile(r"`[^`\n]+`")
    assert set(code.findall(english)) == set(code.findall(chinese))
    link = re.compile(r"\]\((?!README)([^)]+)\)")
    assert set(link.findall(english)) == set(link.findall(chinese))
    for mark in (r"^\| ", r"^#+ ", r"^- "):
        rows = [len(re.findall(mark, text, re.M)) for text in (english, chinese)]
        assert rows[0] == rows[1], mark


@pytest.mark.parametrize("line", commands("run"))
def test_runs(line):
    done = run(line)
    assert done.returncode == 0 and done.stdout, done.stderr


@pytest.mark.parametrize("line, text", shown_outputs())
def test_prints_what_is_shown(line, text):
    done = run(line)
    assert done.returncode in (0, 1), done.stderr  # 1: doctor found an error, and says so
    pattern = "".join("(?:.*\n)*" if shown == "..." else re.escape(shown) + "\n"
                      for shown in text.splitlines())
    assert re.fullmatch(pattern, done.stdout), done.stdout


@pytest.mark.parametrize("line", commands("help"))
def test_is_a_command(line):
    done = run(line if line.endswith("help") else line + " --help")
    assert done.returncode == 0 and done.stdout, done.stderr


@pytest.mark.parametrize("line", commands("serve"))
def test_serves(line):
    with serving("exec " + line + " --port 0") as output:
        url = re.search(r"http://\S+", output).group()
        assert urllib.request.urlopen(url + "/health", timeout=10).status == 200
        assert "mini-llama-9m-demo" in output
        pasted = re.search(r"^curl .*$", output, re.M).group()
        done = subprocess.run(["bash", "-c", pasted + " -sS --fail"], capture_output=True, text=True,
                              timeout=60)
        assert done.returncode == 0, done.stderr
        assert "GPTQ" in json.loads(done.stdout)["choices"][0]["message"]["content"]


def test_dev_serves_a_folder_and_a_name_of_the_hub(tmp_path):
    shutil.copytree(SOURCE / "tests/data/models/tiny-qwen2", tmp_path / "here/my-model")
    line = f"cd {tmp_path}/here && exec {SOURCE}/dev serve my-model --port 0"
    with serving(line) as output:
        assert "Serving my-model at" in output
    hub = subprocess.Popen([sys.executable, SOURCE / "tests/hub/fake_hub.py",
                            tmp_path / "here/my-model"], stdout=subprocess.PIPE, text=True)
    environment = {**os.environ, "HF_HOME": str(tmp_path / "home"),
                   "HF_ENDPOINT": "http://127.0.0.1:" + hub.stdout.readline().strip()}
    try:
        with serving("exec ./dev serve test/model --port 0", environment) as output:
            assert "Serving test/model at" in output
    finally:
        hub.kill()
    with serving("exec ./dev serve test/model --port 0", environment) as output:  # without the hub
        assert "Serving test/model at" in output


def test_a_second_start_takes_under_two_seconds():
    start = time.time()
    process = subprocess.Popen(["./dev", "serve", "--port", "0"], cwd=SOURCE,
                               stdout=subprocess.PIPE, text=True)
    while "http://" not in process.stdout.readline():
        assert process.poll() is None
    seconds = time.time() - start
    process.terminate()
    process.wait(20)
    assert seconds < 2, seconds
