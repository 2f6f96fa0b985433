"""Plants one violation of each rule in an otherwise clean tree and expects exactly that to be found."""

import pathlib
import shutil
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import tidy  # noqa: E402  pylint: disable=wrong-import-position

REPOSITORY = pathlib.Path(__file__).parents[2]

CLEAN = {
    "broker/CMakeLists.txt": "add_library(all mqtt/codec.cc session/session.cc shard/shard.cc)\n",
    "broker/mqtt/codec.h": "// Codec.\n#pragma once\n",
    "broker/mqtt/codec.cc": '// See codec.h.\n#include "broker/mqtt/codec.h"\n',
    "broker/session/session.cc": '// Session.\n#include "broker/mqtt/codec.h"\n',
    "broker/shard/shard.cc": '// Shard.\n#include <sys/socket.h>\n\n#include "broker/mqtt/codec.h"\n',
    "storage/CMakeLists.txt": "add_library(store store.cc)\n",
    "storage/store.cc": '// Store.\n#include <rocksdb/db.h>\n\n#include "broker/mqtt/codec.h"\n',
    "cmd/CMakeLists.txt": "add_executable(main main.cc)\n",
    "cmd/main.cc": '// Main.\n#include "broker/mqtt/codec.h"\n#include "storage/store.h"\n',
}


def function_of(lines):
    return "int F() {\n" + "  G();\n" * (lines - 2) + "}\n"


class TidyTest(unittest.TestCase):
    def setUp(self):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="skein-tidy-"))
        self.addCleanup(shutil.rmtree, self.root)
        shutil.copy(REPOSITORY / ".clang-format", self.root)
        for path, text in CLEAN.items():
            self.write(path, text)

    def write(self, path, text):
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def add(self, path, text):
        """Appends to a file of the clean tree."""
        self.write(path, CLEAN[path] + text)

    def found(self):
        return [f"{path}:{line}: {text}" for path, line, text in tidy.violations(self.root)]

    def expect(self, *wanted):
        found = self.found()
        self.assertEqual(len(found), len(wanted), found)
        for line, part in zip(found, wanted):
            self.assertIn(part, line)

    def test_a_clean_tree_has_none(self):
        self.assertEqual(self.found(), [])

    def test_direction(self):
        planted = {
            "broker/mqtt/codec.cc": ["broker/session/session.h", "broker/routing/trie.h", "broker/net/x.h"],
            "broker/session/session.cc": ["broker/shard/shard.h", "storage/store.h", "cmd/config.h"],
            "broker/shard/shard.cc": ["storage/store.h", "cluster/link.h", "cmd/config.h"],
            "storage/store.cc": ["cluster/link.h", "broker/shard/shard.h", "broker/net/x.h", "cmd/config.h"],
        }
        for path, headers in planted.items():
            for header in headers:
                with self.subTest(path=path, header=header):
                    self.add(path, f'\n#include "{header}"\n')
                    self.expect(f"must not include {header}")
            self.write(path, CLEAN[path])

    def test_pure_folders_know_no_io(self):
        for header in ("sys/socket.h", "thread", "chrono", "mutex", "random", "unistd.h", "broker/base/mutex.h"):
            with self.subTest(header=header):
                self.add("broker/session/session.cc", f"\n#include <{header}>\n")
                self.expect(f"pure folder includes {header}")

    def test_pure_folders_read_no_clock(self):
        for code in ("auto t = steady_clock::now();", "auto t = absl::Now();", "int r = rand();", "std::thread t;"):
            with self.subTest(code=code):
                self.add("broker/session/session.cc", code + "\n")
                self.expect("in a pure folder")
        self.add("broker/session/session.cc", "// Not steady_clock: the caller says when it is.\n")
        self.expect()

    def test_libraries_stay_at_their_edge(self):
        self.add("broker/shard/shard.cc", "\n#include <rocksdb/db.h>\n")
        self.expect("belongs to storage only")
        self.add("broker/shard/shard.cc", "\n#include <grpcpp/grpcpp.h>\n")
        self.expect("belongs to cluster only")

    def test_heavy_headers(self):
        self.write("cmd/config.h", "// Config.\n#pragma once\n\n#include <nlohmann/json.hpp>\n")
        self.expect("keep it in a .cc file")

    def test_sizes(self):
        self.write("broker/mqtt/codec.h", "// Codec.\n#pragma once\n" + "// .\n" * 499)
        self.expect("codec.h:1: 501 lines; allowed: 500")
        self.write("broker/mqtt/codec.h", "// Codec.\n#pragma once\n" + "// .\n" * 498)
        self.expect()
        self.write("broker/mqtt/codec.h", "// Codec.\n#pragma once\n// " + "x" * 98 + "\n")
        self.expect("codec.h:3: 101 columns")

    def test_functions(self):
        self.add("broker/mqtt/codec.cc", "\n" + function_of(71))
        self.expect("codec.cc:4: function of 71 lines")
        self.add("broker/mqtt/codec.cc", "\n" + function_of(70))
        self.expect()

    def test_form(self):
        planted = {
            "no #pragma once": "// Codec.\n",
            "does not open with a comment": "#pragma once\n",
            "tab": "// Codec.\n#pragma once\n// a\tb\n",
            "a door for tests": "// Codec.\n#pragma once\nclass A {\n  friend class ATest;\n};\n",
            ": throw": "// Codec.\n#pragma once\ninline void F() {\n  throw 1;\n}\n",
        }
        for text, content in planted.items():
            with self.subTest(text=text):
                self.write("broker/mqtt/codec.h", content)
                self.expect(text)

    def test_every_source_is_built(self):
        self.write("broker/mqtt/forgotten.cc", "// Forgotten.\n")
        self.expect("forgotten.cc:1: is in no CMakeLists.txt")

    def test_nothing_is_globbed(self):
        self.add("cmd/CMakeLists.txt", "file(GLOB sources *.cc)\n")
        self.expect("cmd/CMakeLists.txt:2: globbed")

    def test_layout(self):
        self.add("cmd/main.cc", "\nint   main( ) { return 0 ; }\n")
        installed = shutil.which("clang-format-14") is not None
        self.expect(*["cmd/main.cc:5: not in clang-format's layout"] * installed)

    def test_the_program_fails_on_a_violation_and_on_an_empty_tree(self):
        self.assertEqual(tidy.main([str(self.root)]), 0)
        self.write("broker/mqtt/codec.h", "// Codec.\n")
        self.assertEqual(tidy.main([str(self.root)]), 1)
        self.assertEqual(tidy.main([str(self.root / "broker" / "mqtt")]), 2)


if __name__ == "__main__":
    unittest.main()
