"""A shell into which the lines of a document are typed, one by one, each when the one before has done its work."""

import re
import subprocess
import threading

from support.broker import wait_until


def blocks(path, heading):
    """The shell blocks of a chapter, each a list of commands."""
    chapter = re.search(rf"^## {re.escape(heading)}$(.*?)^## ", path.read_text(), re.M | re.S).group(1)
    found = re.findall(r"^```sh\n(.*?)^```", chapter, re.M | re.S)
    return [text.replace("\\\n", "").splitlines() for text in found]


class Terminal:
    def __init__(self, folder, environment, launcher=()):
        self.typed, self.text = 0, ""
        shell = [*launcher, "bash", "--norc", "--noprofile", "-o", "pipefail"]
        self.shell = subprocess.Popen(shell, cwd=folder, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                      stderr=subprocess.STDOUT, start_new_session=True)
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        while data := self.shell.stdout.read1():
            self.text += data.decode(errors="replace")

    def type(self, line, deadline):
        """Waits until the shell wants the next line; the exit code of this one."""
        self.typed += 1
        self.shell.stdin.write(f'{line}\necho "<{self.typed}: $?>"\n'.encode())
        self.shell.stdin.flush()
        self.wait(rf"<{self.typed}: (\d+)>", deadline)
        code = int(re.search(rf"<{self.typed}: (\d+)>", self.text).group(1))
        assert code == 0, f"{line!r} ended with {code}: {self.text[-3000:]}"

    def wait(self, pattern, deadline):
        try:
            wait_until(lambda: re.search(pattern, self.text, re.M), deadline, "")
        except AssertionError as error:
            raise AssertionError(f"{pattern!r} is not shown after {deadline} s: {self.text[-3000:]}") from error

    def close(self):
        """Ends the shell and what it has left in the background."""
        self.shell.stdin.write(b"kill $(jobs -p) 2>/dev/null; exit\n")
        self.shell.stdin.close()
        self.shell.wait(60)
        self.reader.join(60)
