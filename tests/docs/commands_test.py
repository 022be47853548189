"""Every command in the READMEs runs: as it stands, or as a comment above its block says.

run: as it stands.  help: with --help, where it needs the network or real weights.
serve: started, asked for its health, stopped.  skip: with the reason.
"""
import os
import pathlib
import re
import subprocess
import time
import urllib.request

import pytest

SOURCE = pathlib.Path(__file__).resolve().parent.parent.parent
FATHOM = os.environ.get("FATHOM", str(SOURCE / "build/fathom"))
BLOCK = re.compile(r"<!-- test: (\w+).*?-->\n```sh\n(.*?)```", re.S)


def blocks(name):
    text = (SOURCE / name).read_text()
    found = BLOCK.findall(text)
    assert len(found) == text.count("```sh"), f"{name}: a block of commands without a test comment"
    return found


def commands(how):
    return [line for kind, block in blocks("README.md") if kind == how
            for line in block.splitlines()]


def run(line):
    return subprocess.run(["bash", "-c", line.replace("build/fathom", FATHOM)], cwd=SOURCE,
                          capture_output=True, text=True, timeout=300)


def test_both_readmes_have_the_same_commands():
    assert blocks("README.md") == blocks("README.zh-CN.md")


@pytest.mark.parametrize("line", commands("run"))
def test_runs(line):
    done = run(line)
    assert done.returncode == 0 and done.stdout, done.stderr


@pytest.mark.parametrize("line", commands("help"))
def test_is_a_command(line):
    done = run(line if line.endswith("help") else line + " --help")
    assert done.returncode == 0 and done.stdout, done.stderr


@pytest.mark.parametrize("line", commands("serve"))
def test_serves(line):
    process = subprocess.Popen(["bash", "-c", "exec " + line + " --port 0"], cwd=SOURCE,
                               stdout=subprocess.PIPE, text=True)
    output = ""
    while "Stop with" not in output:
        text = process.stdout.readline()
        assert text, output
        output += text
    url = re.search(r"http://\S+", output).group()
    assert urllib.request.urlopen(url + "/health", timeout=10).status == 200
    assert "mini-llama-9m-demo" in output
    process.terminate()
    assert process.wait(20) == 0


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
