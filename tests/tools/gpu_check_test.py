"""tools/gpu_check on a machine that only pretends to have a GPU: what passes, fails and is shown."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

SOURCE = pathlib.Path(__file__).resolve().parent.parent.parent
PASSES = "echo '[  PASSED  ] 12 tests.'"
REPORT = {"dtype": "bf16", "limits": {"read_gb_per_s": 4200.0, "dot_tops": 794.0},
          "decode": [{"tokens_per_s": 290.0, "limit_tokens_per_s": 325.0, "percent_of_limit": 89.2},
                     {"tokens_per_s": 5000.0, "limit_tokens_per_s": 6270.0,
                      "percent_of_limit": 79.7}],
          "prefill": [{"tokens_per_s": 53000.0, "limit_tokens_per_s": 63600.0,
                       "percent_of_limit": 83.3}]}


class GpuCheck(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.root = pathlib.Path(self.folder.name)
        self.program("tools/nvidia-smi", "echo 'NVIDIA H200, 580.1'")
        for name in ("kernels_test", "engine_test", "goldens_gpu_test"):
            self.program(f"bin/{name}", PASSES)
        invariant = json.loads(json.dumps(REPORT))
        invariant["decode"][0]["tokens_per_s"] = 260.0
        invariant["decode"][1]["tokens_per_s"] = 4500.0
        self.program("bin/fathom", f"case $* in *determinism*) echo '{json.dumps(invariant)}' ;; "
                                   f"*) echo '{json.dumps(REPORT)}' ;; esac")

    def tearDown(self):
        self.folder.cleanup()

    def program(self, name, script):
        path = self.root / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def check(self, *arguments):
        path = f"{self.root / 'tools'}:/usr/bin:/bin"
        return subprocess.run(
            [sys.executable, SOURCE / "tools/gpu_check", "--build", self.root, *arguments],
            capture_output=True, text=True, env={**os.environ, "PATH": path})

    def test_shows_speeds_beside_targets_and_writes_them(self):
        out = self.root / "out.md"
        done = self.check("--out", out, "--commit", "abc123")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertRegex(done.stdout, r"batch 1, 600 context +290\.0 +205\.0 +285\.0 +325\.0 +89\.2 "
                                      r"+10\.3 +reached")
        self.assertRegex(done.stdout, r"batch 32, 600 context +5000 +4429 +5600 +6270 +79\.7 +10\.0 "
                                      r"+short")
        text = out.read_text()
        self.assertIn("NVIDIA H200", text)
        self.assertIn("abc123", text)
        self.assertIn("| prefill bf16, 2048 tokens | 53000 | 36000 | 52000 | 63600 | 83.3 | 0.0 | reached |",
                      text)

    def test_a_failing_test_fails_it(self):
        self.program("bin/engine_test", "echo '[  FAILED  ] 1 test'; exit 1")
        done = self.check()
        self.assertEqual(done.returncode, 1)
        self.assertIn("engine_test: FAILED", done.stdout)

    def test_tests_without_a_gpu_are_no_pass(self):
        self.program("bin/kernels_test", f"echo 'GPU tests skipped: no driver'; {PASSES}")
        self.assertEqual(self.check("--only", "tests").returncode, 1)

    def test_a_missing_test_or_measurement_fails_it(self):
        self.program("bin/fathom", "echo 'fathom: GPU memory: too little' >&2; exit 1")
        done = self.check("--only", "speed")
        self.assertEqual(done.returncode, 1)
        self.assertIn("too little", done.stdout)
        (self.root / "bin/goldens_gpu_test").unlink()
        self.assertEqual(self.check("--only", "tests").returncode, 1)

    def test_says_that_there_is_no_gpu(self):
        self.program("tools/nvidia-smi", "exit 9")
        done = self.check()
        self.assertEqual(done.returncode, 1)
        self.assertIn("no NVIDIA GPU", done.stderr)


if __name__ == "__main__":
    unittest.main()
