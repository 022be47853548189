"""Starts the real binary on a free port."""
import os
import pathlib
import re
import subprocess

import pytest

SOURCE = pathlib.Path(__file__).resolve().parent.parent
FATHOM = os.environ.get("FATHOM", str(SOURCE / "build/fathom"))
MODEL = SOURCE / "tests/data/models/mini-llama"
# On a GPU the answers are compared to the bit, as on the CPU.
DEVICE = os.environ.get("FATHOM_TEST_DEVICE")
DEVICE_FLAGS = ["--device", DEVICE, "--determinism", "batch"] if DEVICE else []


class Server:
    def __init__(self, *arguments):
        self.process = subprocess.Popen(
            [FATHOM, "serve", str(MODEL), "--port", "0", "--served-model-name", "demo",
             *DEVICE_FLAGS, *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.wait_until_serving()

    def wait_until_serving(self):
        self.output = ""
        while "Stop with" not in self.output:
            line = self.process.stdout.readline()
            assert line, self.process.stderr.read()
            self.output += line
        self.url = re.search(r"https?://\S+", self.output).group()

    def stop(self):
        self.process.terminate()
        return self.process.wait(10)


@pytest.fixture(scope="module")
def server():
    server = Server()
    yield server
    assert server.stop() == 0
