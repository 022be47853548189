"""The official OpenAI client for JavaScript against the real server, where Node.js is there."""
import pathlib
import shutil
import subprocess

import pytest

SOURCES = pathlib.Path(__file__).resolve().parent / "js"


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    if not shutil.which("node") or not shutil.which("npm"):
        pytest.skip("SKIPPED: no node and npm; install Debian's packages nodejs and npm")
    folder = tmp_path_factory.mktemp("js")
    shutil.copytree(SOURCES, folder, dirs_exist_ok=True)
    done = subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=folder,
                          capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        pytest.skip("SKIPPED: npm ci failed: " + done.stderr[-500:])
    return folder


def test_the_javascript_client(server, project):
    done = subprocess.run(["node", "openai_client.mjs", server.url + "/v1"], cwd=project,
                          capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "all passed"
