"""The rules of the source tree that a compiler does not check.

    python3 tests/tidy/tidy.py ROOT

Prints "path:line: what is wrong" for each violation and exits with 1 when there is one. The rules: who may include whom,
what the pure folders must not know, sizes, spelling of files, and that every source is built. clang-format is asked when
it is installed. tidy_test.py plants a violation of each rule.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys

FOLDERS = ("broker", "cluster", "cmd", "storage", "tests", "cmake", "deploy")
SKIPPED_FOLDERS = {"build", "node_modules", "__pycache__", "corpus", ".pytest_cache"}
CPP = (".h", ".cc")
TEXT = CPP + (".py", ".sh", ".cmake", ".txt", ".ts", ".tsx", ".mjs", ".html")

MAX_FILE_LINES = 500
MAX_FUNCTION_LINES = 70
MAX_CPP_COLUMNS = 100
MAX_TEXT_COLUMNS = 140

# The value types and ports that adapters implement.
PORTS = (
    "broker/base",
    "broker/mqtt",
    "broker/routing",
    "broker/session",
    "broker/auth/authenticator.h",
    "broker/shard/retained_digest.h",
    "broker/shard/retained_store.h",
)
# What cluster/ speaks: mail between shards, and the port it comes through; operators' questions.
MAIL = ("broker/shard/mail.h", "broker/shard/peers.h", "broker/admin/http.h")

# Folder -> the folders (or single headers) that it may include. A folder that is not here may include everything.
MAY_INCLUDE = {
    "broker/base": ("broker/base",),
    "broker/mqtt": ("broker/base", "broker/mqtt"),
    "broker/routing": ("broker/base", "broker/mqtt", "broker/routing"),
    "broker/auth": ("broker/base", "broker/mqtt", "broker/auth"),
    "broker/session": (
        "broker/base",
        "broker/mqtt",
        "broker/routing",
        "broker/auth",
        "broker/session",
    ),
    "broker/trace": ("broker/base", "broker/mqtt", "broker/routing", "broker/trace"),
    "broker/net": ("broker/base", "broker/mqtt", "broker/net"),
    "broker": ("broker",),
    "storage": ("storage", "proto", *PORTS),
    "cluster": ("cluster", "proto", *PORTS, *MAIL),
}

# Folders that take events and return effects: no I/O, no clock, no thread, no chance.
PURE = ("broker/mqtt", "broker/routing", "broker/session")
IMPURE_HEADERS = re.compile(
    r"^(sys/(socket|epoll|eventfd|timerfd|time|stat|un)\.h|netinet/.*|arpa/.*|netdb\.h|unistd\.h|fcntl\.h"
    r"|poll\.h|pthread\.h|time\.h|ctime|chrono|thread|mutex|shared_mutex|condition_variable|future|random"
    r"|fstream|iostream|filesystem|absl/time/clock\.h|absl/synchronization/.*|rocksdb/.*|grpc.*|openssl/.*"
    r"|spdlog/.*|yaml-cpp/.*|nlohmann/.*|broker/base/mutex\.h)$"
)
IMPURE_CODE = re.compile(
    r"_clock\b|\bclock_gettime\b|\btime\(nullptr\)|\bgettimeofday\b|\babsl::Now\(|\brandom_device\b"
    r"|\bs?rand\(|\bgetrandom\(|\bstd::(jthread|thread|mutex)\b"
)
# Library -> the only folders that know it.
EDGES = (
    (re.compile(r"^rocksdb/"), ("storage",)),
    (re.compile(r"^grpc"), ("cluster",)),
    (re.compile(r"^httplib"), ("broker/admin",)),
)
# Folders whose headers may show RocksDB: its adapter, and what tests that adapter.
ROCKSDB_HOMES = ("storage/rocksdb", "tests/support", "tests/unit/storage/rocksdb")
# Slow to compile: .cc files only, but for the homes above.
HEAVY = re.compile(r"^(nlohmann/(?!json_fwd)|spdlog/|CLI/|yaml-cpp/|grpc|rocksdb/|boost/|httplib)")

INCLUDE = re.compile(r'^\s*#\s*include\s+["<]([^">]+)[">]')
FUNCTION_START = re.compile(r"^( {0}| {2})(?! )(?!(namespace|class|struct|union|enum|extern|using)\b).*(?<!=[ ])\{$")


def inside(path, folder):
    return path == folder or path.startswith(folder + "/")


def sources(root):
    """All files that the rules are about, as sorted paths relative to root."""
    found = []
    for top in FOLDERS:
        for folder, subfolders, names in os.walk(root / top):
            subfolders[:] = [name for name in subfolders if name not in SKIPPED_FOLDERS]
            found += [pathlib.Path(folder, name).relative_to(root) for name in names if name.endswith(TEXT)]
    return sorted(found)


def check_text(path, lines):
    """Length, tabs, trailing blanks."""
    if len(lines) > MAX_FILE_LINES:
        yield 1, f"{len(lines)} lines; allowed: {MAX_FILE_LINES}"
    columns = MAX_CPP_COLUMNS if path.suffix in CPP else MAX_TEXT_COLUMNS
    for number, line in enumerate(lines, 1):
        if len(line) > columns:
            yield number, f"{len(line)} columns; allowed: {columns}"
        if "\t" in line:
            yield number, "tab"
        if line != line.rstrip():
            yield number, "blank at the end of the line"


def check_cpp_form(path, lines):
    """A comment that opens a header, the include guard, no back doors for tests, no exceptions."""
    if path.suffix == ".h" and (not lines or not lines[0].startswith("//")):
        yield 1, "does not open with a comment that says what the file is for"
    if path.suffix == ".h" and "#pragma once" not in lines:
        yield 1, "no #pragma once"
    for number, line in enumerate(lines, 1):
        if re.search(r"\bfriend class \w*Test\b|#\s*if.*\bTESTING\b", line):
            yield number, "a door for tests only: use the public interface or a fake"
        if not inside(path.as_posix(), "tests") and re.match(r"^\s*throw\b", line):
            yield number, "throw"


def check_functions(path, lines):
    """Length of functions, told from the layout that clang-format gives. Tables of test data may be long."""
    if inside(path.as_posix(), "tests") and "_table" in path.stem:
        return
    start, end = None, None
    for number, line in enumerate(lines, 1):
        match = FUNCTION_START.match(line)
        if start is None and match:
            start, end = number, match.group(1) + "}"
        elif start is not None and line.startswith(end):
            if number - start + 1 > MAX_FUNCTION_LINES:
                yield start, f"function of {number - start + 1} lines; allowed: {MAX_FUNCTION_LINES}"
            start = None


def check_includes(path, lines):
    """Direction of includes, and what pure folders may know."""
    name = path.as_posix()
    own = next((folder for folder in MAY_INCLUDE if inside(name, folder)), None)
    pure = any(inside(name, folder) for folder in PURE)
    for number, line in enumerate(lines, 1):
        if pure and IMPURE_CODE.search(line.split("//")[0]):
            yield number, "a clock, thread or source of chance in a pure folder"
        match = INCLUDE.match(line)
        if not match:
            continue
        header = match.group(1)
        local = any(inside(header, top) for top in ("broker", "cluster", "cmd", "storage", "tests", "proto"))
        if own and local and not any(inside(header, folder) for folder in MAY_INCLUDE[own]):
            yield number, f"{own} must not include {header}"
        if pure and IMPURE_HEADERS.match(header):
            yield number, f"pure folder includes {header}"
        at_home = header.startswith("rocksdb/") and any(inside(name, folder) for folder in ROCKSDB_HOMES)
        if path.suffix == ".h" and HEAVY.match(header) and not at_home:
            yield number, f"{header} in a header: keep it in a .cc file"
        for library, folders in EDGES:
            if library.match(header) and not at_home and not any(inside(name, folder) for folder in folders):
                yield number, f"{header} belongs to {', '.join(folders)} only"


def check_built(root, path):
    """Every source is named by a CMakeLists.txt of its folder or one above, and nothing is globbed."""
    if path.suffix == ".txt" or path.suffix == ".cmake":
        for number, line in enumerate((root / path).read_text().splitlines(), 1):
            if re.search(r"\bGLOB(_RECURSE)?\b", line):
                yield number, "globbed sources: list them"
    if path.suffix != ".cc":
        return
    for folder in path.parents:
        lists = root / folder / "CMakeLists.txt"
        if lists.is_file() and path.relative_to(folder).as_posix() in lists.read_text():
            return
    if path.as_posix() == "tests/fuzz/replay_main.cc":  # named by .cmake/skein.cmake
        return
    yield 1, "is in no CMakeLists.txt"


def check_format(root, paths):
    """What clang-format would change, one line a file."""
    program = shutil.which("clang-format-14")
    if program is None:
        print("tidy: clang-format-14 is not installed, layout not checked", file=sys.stderr)
        return
    files = [path.as_posix() for path in paths if path.suffix in CPP]
    if not files:
        return
    run = subprocess.run(
        [program, "--dry-run", "--style=file", *files], cwd=root, capture_output=True, text=True, check=False
    )
    seen = set()
    for match in re.finditer(r"^([^:\n]+):(\d+):\d+: warning: code should be clang-formatted", run.stderr, re.M):
        if match.group(1) not in seen:
            seen.add(match.group(1))
            yield match.group(1), int(match.group(2)), "not in clang-format's layout"


def violations(root):
    """All of them as (path, line, text)."""
    root = pathlib.Path(root)
    paths = sources(root)
    for path in paths:
        lines = (root / path).read_text(encoding="utf-8").splitlines()
        rules = [check_text(path, lines), check_built(root, path)]
        if path.suffix in CPP:
            rules += [check_cpp_form(path, lines), check_includes(path, lines), check_functions(path, lines)]
        for rule in rules:
            for number, text in rule:
                yield path.as_posix(), number, text
    yield from check_format(root, paths)


def main(arguments):
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    if not sources(pathlib.Path(arguments[0])):
        print(f"tidy: no sources below {arguments[0]}", file=sys.stderr)
        return 2
    count = 0
    for path, number, text in violations(arguments[0]):
        print(f"{path}:{number}: {text}")
        count += 1
    print(f"tidy: {count} violations")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
