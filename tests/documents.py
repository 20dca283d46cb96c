#!/usr/bin/env python3
"""Runs every command of README.md and docs/*.md, in order, as a reader would.

Usage: tests/documents.py BINARY [--python PYTHON] [DOCUMENT...]

Each document is read from top to bottom in a folder of its own that holds the repository's files. A block
marked `sh` goes to one bash, which stays the same throughout the document, one marked `python` to one Python.
What follows as a block marked `text` must be what the commands before it printed: line by line, with `…` for
lines or ends of lines that are left out, `ID` for ids, and numbers with a point that may differ a
little from machine to machine. `whereof serve` is started beside the rest and stopped with the document.

A block that no test can run stands below a line that begins with `*Not run by the tests: ` and says why. What
other gates of `.ci/run` run word for word is in ELSEWHERE. Both are counted.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NOT_RUN = "*Not run by the tests: "
#: Commands that are gates of their own, and the line of `.ci/run` that runs them.
ELSEWHERE = {
    "cargo run --release -- demo": '"cargo run --release -- demo") ;;',
    "cargo test": "    cargo test",
    "cargo build --release": "cargo build --locked --release",
}
#: Seconds that one block may take.
PATIENCE = 300
#: How far a number with a point may be from the one that is shown: training differs a little between processors.
#: Whole numbers are counts, and the same.
ABSOLUTE, RELATIVE = 0.1, 0.25

NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?:e-?\d+)?(?![\w])")
ID = re.compile(r"\b(?:(?:job|run|model|ds)_)?[0-9a-f]{32}\b|\b\d{4}-\d\d-\d\dT[0-9:.]+Z?")


@dataclass
class Block:
    document: str
    line: int
    language: str
    text: str
    not_run: bool

    @property
    def place(self) -> str:
        return f"{self.document}:{self.line}"

    def commands(self) -> list[str]:
        """Its commands, a line each where none goes on."""
        joined = self.text.replace("\\\n", " ")
        return [line.strip() for line in joined.splitlines() if line.strip() and not line.lstrip().startswith("#")]


class Wrong(Exception):
    """What is wrong with a document."""


def blocks(document: Path) -> list[Block]:
    found: list[Block] = []
    language, begun, lines, before = None, 0, [], ""
    name = str(document.relative_to(ROOT))
    for number, line in enumerate(document.read_text().splitlines(), 1):
        fence = re.match(r"```(\S*)\s*$", line)
        if fence and language is None:
            language, begun, lines = fence[1], number, []
        elif fence and language is not None and not fence[1]:
            found.append(Block(name, begun, language, "\n".join(lines) + "\n", before.startswith(NOT_RUN)))
            language, before = None, ""
        elif language is not None:
            lines.append(line)
        elif line.strip():
            before = line
    if language is not None:
        raise Wrong(f"{name}:{begun}: this block has no end")
    for block in found:
        if block.language not in ("sh", "python", "text", "toml", "json", "ini"):
            raise Wrong(f"{block.place}: a block marked {block.language!r}; mark it sh, python, text, json, toml or ini")
    return found


class Session:
    """A bash or a Python that runs blocks one after another."""

    def __init__(self, command: list[str], folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        self.process = subprocess.Popen(
            command, cwd=folder, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, start_new_session=True, errors="replace",
        )
        self.count = 0

    def run(self, code: str, send: str) -> str:
        """Runs a block's code; `send` is the line that makes the session run the file it is given."""
        self.count += 1
        file = self.folder / f".block-{id(self)}-{self.count}"
        file.write_text(code)
        end = f"=== end of block {self.count} ==="
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(send.format(file=file, end=end) + "\n")
        self.process.stdin.flush()
        timer = threading.Timer(PATIENCE, self.stop)
        timer.start()
        printed: list[str] = []
        try:
            for line in self.process.stdout:
                if line.rstrip("\n").endswith(end):
                    printed.append(line[: line.index(end)])
                    return "".join(printed)
                printed.append(line)
        finally:
            timer.cancel()
        raise Wrong("it failed:\n" + "".join(printed))

    def stop(self) -> None:
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()


class Reader:
    """Someone who reads a document and does what it says."""

    def __init__(self, binary: Path, python: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="whereof-documents-"))
        for entry in ROOT.iterdir():
            if entry.name not in ("target", ".git", "whereof-data"):
                (self.folder / entry.name).symlink_to(entry)
        (self.folder / "target" / "release").mkdir(parents=True)
        (self.folder / "target" / "release" / "whereof").symlink_to(binary)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("WHEREOF_")}
        path = [str(binary.parent), str(Path(python).parent), environment["PATH"]]
        self.environment = environment | {
            "PATH": os.pathsep.join(path),
            "WHEREOF_LISTEN": f"127.0.0.1:{self.port}",
            "PYTHONPATH": str(ROOT / "clients" / "python"),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        self.python_binary = python
        self.bash: Session | None = None
        self.python: Session | None = None
        self.servers: list[subprocess.Popen[bytes]] = []

    def here(self, text: str) -> str:
        """The same with the port of this reader's server."""
        return re.sub(r"(localhost|127\.0\.0\.1|0\.0\.0\.0):8080", lambda m: f"{m[1]}:{self.port}", text)

    def shell(self, block: Block) -> str:
        if self.bash is None:
            self.bash = Session(["bash"], self.folder, self.environment)
            # Aliases as in a shell that a person types into; a command that fails ends it.
            self.bash.run("shopt -s expand_aliases; set -eu", ". {file}; printf '%s\\n' '{end}'")
        return self.bash.run(self.here(block.text), ". {file}; printf '%s\\n' '{end}'")

    def serve(self, command: str) -> None:
        """Starts a server beside the rest and waits until it is ready; one that ran before is stopped."""
        self.stop_servers()
        log = open(self.folder / ".server-log", "wb")
        self.servers.append(
            subprocess.Popen(["bash", "-c", "exec " + self.here(command)], cwd=self.folder, env=self.environment,
                             stdout=log, stderr=log, start_new_session=True)
        )
        for _ in range(600):
            if self.servers[-1].poll() is not None:
                raise Wrong("the server ended:\n" + (self.folder / ".server-log").read_text())
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=5):
                    return
            except urllib.error.HTTPError:
                pass
            except OSError:
                pass
            time.sleep(0.05)
        raise Wrong("the server is not ready after 30 seconds")

    def speak(self, block: Block) -> str:
        if self.python is None:
            listen = (
                "import sys\nspace = {'__name__': '__main__'}\n"
                "for line in sys.stdin:\n"
                "    file, end = line.rstrip('\\n').split('\\t')\n"
                "    exec(compile(open(file).read(), file, 'exec'), space)\n"
                "    print(end, flush=True)\n"
            )
            environment = self.environment | {"WHEREOF_SERVER": f"http://127.0.0.1:{self.port}"}
            self.python = Session([self.python_binary, "-c", listen], self.folder, environment)
        return self.python.run(self.here(block.text), "{file}\t{end}")

    def stop_servers(self) -> None:
        for server in self.servers:
            if server.poll() is None:
                server.terminate()
            try:
                server.wait(30)
            except subprocess.TimeoutExpired:
                server.kill()
        self.servers.clear()

    def stop(self) -> None:
        for session in (self.bash, self.python):
            if session is not None:
                session.stop()
        self.stop_servers()
        shutil.rmtree(self.folder, ignore_errors=True)


def alike(shown: str, printed: str) -> bool:
    """Whether a printed line is the shown one, numbers aside that are near."""
    shown, printed = (ID.sub("ID", line).strip() for line in (shown, printed))
    open_end = shown.endswith("…")
    shown = shown.removesuffix("…").rstrip()
    pattern, near = [], []
    at = 0
    for number in NUMBER.finditer(shown):
        pattern.append(re.escape(shown[at : number.start()]))
        pattern.append(r"(-?\d+(?:\.\d+)?(?:e-?\d+)?)")
        near.append(number[0])
        at = number.end()
    pattern.append(re.escape(shown[at:]))
    # Columns are as wide as their longest value.
    text = re.sub(r"(?:\\ )+", r"\\s+", "".join(pattern))
    match = re.match(text if open_end else text + r"\Z", printed)
    if match is None:
        return False
    return all(
        value == wanted if "." not in wanted
        else abs(float(value) - float(wanted)) <= max(ABSOLUTE, RELATIVE * abs(float(wanted)))
        for value, wanted in zip(match.groups(), near)
    )


def compare(shown: Block, printed: str) -> None:
    """Fails where what is shown is not, line by line, what was printed."""
    lines = [line for line in printed.splitlines() if line.strip()]
    at, skip = 0, False
    for line in shown.text.splitlines():
        if not line.strip():
            continue
        if line.strip() == "…":
            skip = True
            continue
        where = range(at, len(lines) if skip else min(at + 1, len(lines)))
        found = next((n for n in where if alike(line, lines[n])), None)
        if found is None:
            raise Wrong(f"{shown.place}: shows\n  {line}\nbut printed was\n{printed}")
        at, skip = found + 1, False
    if at < len(lines) and not skip:
        raise Wrong(f"{shown.place}: does not show\n  {lines[at]}\nof what was printed:\n{printed}")


def check_the_checks() -> None:
    """Shows that a document that is wrong is noticed."""
    assert alike("accuracy 0.812 of ID", "accuracy  0.83 of ds_" + "0" * 32)
    assert not alike("accuracy 0.812", "accuracy 0.5") and not alike("accuracy 0.812", "recall 0.812")
    assert not alike("on 96 records", "on 97 records")
    assert alike("an end …", "an end that is left out") and not alike("an end", "an end that is not")
    block = lambda text: Block("sample", 1, "text", text, False)
    compare(block("a\n…\nd\n"), "a\nb\nc\nd\n")
    for shown, printed in [("a\n", "a\nb\n"), ("a\nb\n", "a\n"), ("a\n…\ne\n", "a\nb\n")]:
        try:
            compare(block(shown), printed)
        except Wrong:
            continue
        raise AssertionError(f"not noticed: {shown!r} for {printed!r}")


def check_names(document: Path) -> None:
    """Fails where a document points to a file, or names a test, that is not there."""
    text, name = document.read_text(), document.relative_to(ROOT)
    targets = re.findall(r"\]\(([^)#\s]+)", text) + re.findall(r'(?:src|href)="([^"#]+)', text)
    for target in targets:
        if "://" not in target and not (document.parent / target).exists():
            raise Wrong(f"{name}: points to {target}, which is not there")
    for path in re.findall(r"`((?:src|tests|benches|docker|clients|docs|examples|demo)/[\w./-]+)`", text):
        if not (ROOT / path).exists():
            raise Wrong(f"{name}: names {path}, which is not there")
    if document.name == "statistics.md":
        sources = "".join(source.read_text() for source in (ROOT / "src").rglob("*.rs"))
        modules = {path.split("::")[-1] for path in re.findall(r"`(eval(?:::\w+)+)`", text)}
        tests = set(re.findall(r"`([a-z0-9]+(?:_[a-z0-9]+){2,})`", text))
        absent = modules - set(re.findall(r"\bmod (\w+);", sources)) | tests - set(re.findall(r"\bfn (\w+)", sources))
        if absent:
            raise Wrong(f"{name}: names {', '.join(sorted(absent))}, which are not there")


def read(document: Path, binary: Path, python: str, counts: dict[str, int], show: bool = False) -> None:
    reader = Reader(binary, python)
    printed: str | None = None
    gates = (ROOT / ".ci" / "run").read_text()
    try:
        all_blocks = blocks(document)
        for block, following in zip(all_blocks, [*all_blocks[1:], None]):
            try:
                if block.language == "text":
                    if printed is not None:
                        compare(block, printed)
                        counts["outputs compared"] += 1
                    printed = None
                    continue
                printed = None
                if block.language not in ("sh", "python"):
                    continue
                if block.not_run:
                    counts["blocks not run"] += 1
                    print(f"        {block.place}: not run")
                    continue
                commands = block.commands()
                if block.language == "python":
                    printed = reader.speak(block)
                    counts["Python blocks run"] += 1
                    if show:
                        print(f"--- {block.place}\n{printed}", end="")
                    continue
                elsewhere = [command for command in commands if command in ELSEWHERE]
                for command in elsewhere:
                    if ELSEWHERE[command] not in gates:
                        raise Wrong(f"no gate of .ci/run runs `{command}`")
                    block.text = block.text.replace(command, ":")
                    counts["commands that are gates"] += 1
                servers = [command for command in commands if re.match(r"\S*whereof serve\b[^|]*$", command)]
                if servers:
                    if len(commands) > 1:
                        raise Wrong("a server is started in a block of its own")
                    reader.serve(servers[0])
                else:
                    printed = reader.shell(block)
                    shown = following is not None and following.language == "text"
                    if "/problems/" in printed and not shown:
                        raise Wrong(f"it was refused:\n{printed}")
                counts["commands run"] += len(commands) - len(elsewhere)
                if show and printed:
                    print(f"--- {block.place}\n{printed}", end="")
            except Wrong as wrong:
                raise Wrong(f"{block.place}: {wrong}\n--- the block\n{block.text}") from wrong
    finally:
        reader.stop()


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("binary", type=Path)
    arguments.add_argument("--python", default=sys.executable, help="has what the notebooks use")
    arguments.add_argument("--show", action="store_true", help="print what blocks print")
    arguments.add_argument("documents", nargs="*", type=Path)
    given = arguments.parse_intermixed_args()
    check_the_checks()
    documents = [document.resolve() for document in given.documents]
    documents = documents or [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    counts = dict.fromkeys(
        ["commands run", "Python blocks run", "outputs compared", "commands that are gates", "blocks not run"], 0
    )
    for document in documents:
        began = time.monotonic()
        try:
            check_names(document)
            read(document, given.binary.resolve(), os.path.abspath(given.python), counts, given.show)
        except Wrong as wrong:
            print(f"FAIL    {wrong}", file=sys.stderr)
            return 1
        print(f"ok      {document.relative_to(ROOT)} ({time.monotonic() - began:.1f} s)", flush=True)
    print(", ".join(f"{number} {name}" for name, number in counts.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
