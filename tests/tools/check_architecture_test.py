"""Plants faults in copies of the tree and sees each refused by tools/check_architecture."""
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

SOURCE = pathlib.Path(__file__).resolve().parent.parent.parent


class CheckArchitecture(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.root = pathlib.Path(self.folder.name)
        for part in ("src", "apps", "docs"):
            shutil.copytree(SOURCE / part, self.root / part)
        (self.root / "tests").mkdir()

    def tearDown(self):
        self.folder.cleanup()

    def faults(self):
        done = subprocess.run([sys.executable, SOURCE / "tools/check_architecture", self.root],
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, 0 if "all good" in done.stdout else 1)
        return done.stdout

    def edit(self, name, change):
        path = self.root / name
        path.write_text(change(path.read_text()))

    def test_accepts_the_tree(self):
        self.assertIn("all good", self.faults())

    def test_refuses_an_upward_include(self):
        self.edit("src/base/error.h", lambda t: t.replace(
            "#include <string>\n", '#include <string>\n#include "engine/engine.h"\n'))
        self.assertIn("base may not use engine", self.faults())

    def test_lets_a_test_use_the_layers_below_its_own_and_no_others(self):
        self.edit("src/net/http_server_test.cc", lambda t: t + '#include "engine/engine.h"\n')
        self.assertIn("net may not use engine", self.faults())

    def test_refuses_a_cycle(self):
        self.edit("src/base/check.h", lambda t: t.replace(
            "#include <string_view>\n", '#include <string_view>\n#include "base/result.h"\n'))
        self.assertIn("include cycle", self.faults())

    def test_refuses_a_third_party_header_out_of_place(self):
        self.edit("src/spec/model_spec.cc", lambda t: t + "#include <spdlog/spdlog.h>\n")
        self.assertIn("<spdlog/spdlog.h> belongs to", self.faults())

    def test_refuses_a_heavy_header_in_a_header(self):
        self.edit("src/serve/worker.h", lambda t: t + "#include <boost/json.hpp>\n")
        self.assertIn("too heavy for a header", self.faults())

    def test_refuses_another_diagram(self):
        self.edit("docs/architecture.md", lambda t: t.replace("serve: engine", "serve: device engine"))
        self.assertIn("its layer graph", self.faults())

    def test_refuses_a_kernel_without_reference(self):
        (self.root / "src/kernels/linear/linear_reference.cc").unlink()
        self.assertIn("no linear_reference.cc", self.faults())

    def test_refuses_long_files_and_empty_names(self):
        (self.root / "src/base/string_util.cc").write_text("// Purpose.\n" + "\n" * 500)
        faults = self.faults()
        self.assertIn("501 lines", faults)
        self.assertIn("'string_util' says nothing", faults)


if __name__ == "__main__":
    unittest.main()
