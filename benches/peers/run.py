#!/usr/bin/env python3
"""Compares Whereof with its peers: python3 benches/peers/run.py [--only NAME ...] [--rounds N]

Makes a scratch virtual environment (`--scratch`, default `peers` in the temporary folder), installs the
peers from PyPI, builds the release binary and the driver, runs each pair alternately (A B A B ...), and
writes `benches/RESULTS.md`. Raw results stay in the scratch folder as `results.json`, so that rows can be
measured one by one: `--only` takes parts of names. Data is read from `--data` (default: `../shared/data`
beside the repository, as benches have it); rows whose data is missing are left as they are.

`--report` only writes the table of what was measured.
"""

import argparse
import datetime
import json
import os
import pathlib
import platform
import re
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

from rows import ROWS

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
RESULTS = HERE.parent / "RESULTS.md"
PACKAGES = ["numpy", "scipy", "scikit-learn", "joblib", "fastapi", "uvicorn[standard]", "torch", "tensorflow-cpu", "keras"]


class Skipped(Exception):
    """Why a row cannot be measured."""


class Bench:
    """What rows need to run."""

    def __init__(self, arguments):
        self.scratch = pathlib.Path(arguments.scratch)
        self.data = pathlib.Path(arguments.data)
        self.scratch.mkdir(parents=True, exist_ok=True)
        self.python = self.scratch / "venv/bin/python"
        self.install, self.build = arguments.install, arguments.build
        self.driver = self.server = None

    def prepare(self):
        """The peers and our binaries."""
        if not self.python.exists():
            subprocess.run([sys.executable, "-m", "venv", self.scratch / "venv"], check=True)
        if self.install:
            pip = [self.python, "-m", "pip", "install", "--quiet"]
            subprocess.run([*pip, "setuptools", "wheel", "pybind11"], check=True)
            for package in PACKAGES:
                if subprocess.run([*pip, package]).returncode:
                    print(f"{package} cannot be installed; its rows will say so", file=sys.stderr)
            # Its build wants the newest numpy, and what it builds with to be there already.
            subprocess.run([*pip, "--no-build-isolation", "fasttext"])
        folder = self.scratch / "bin"
        self.driver, self.server = folder / "peers", folder / "whereof"
        if not self.build:
            return
        build = ["cargo", "build", "--release", "--locked", "--bin", "whereof", "--bench", "peers"]
        text = subprocess.run(
            [*build, "--message-format=json-render-diagnostics"], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True
        ).stdout
        built = [json.loads(line) for line in text.splitlines()]
        paths = {m["target"]["name"]: m["executable"] for m in built if m.get("executable")}
        # Copies, so that a later build changes nothing under a measurement.
        folder.mkdir(exist_ok=True)
        for name in ("peers", "whereof"):
            shutil.copy2(paths[name], folder / name)

    def need(self, module):
        """Skips the row where a peer is missing."""
        if subprocess.run([self.python, "-c", f"import {module}"], capture_output=True).returncode:
            raise Skipped(f"{module} is not installed")

    def file(self, name):
        """A data file; skips the row without it."""
        path = self.data / name
        if not path.exists():
            raise Skipped(f"{path} is not there")
        return str(path)

    def run(self, command, environment=None):
        """Runs a command that prints a line of JSON; adds what the whole process took."""
        environment = {**os.environ, **(environment or {})}
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True, env=environment)
        seconds, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
        if done.returncode:
            raise Skipped(f"{pathlib.Path(str(command[0])).name} failed: {done.stderr.strip().splitlines()[-1:]}")
        result = json.loads(done.stdout.strip().splitlines()[-1])
        result["process_seconds"] = seconds
        result["process_cpu_seconds"] = (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)
        return result

    def ours(self, command, **options):
        given = [part for name, value in options.items() for part in (f"--{name}", value)]
        texts = [json.dumps(part) if isinstance(part, dict) else str(part) for part in given]
        return self.run([self.driver, command, *texts])

    def peer(self, script, *arguments):
        texts = [json.dumps(part) if isinstance(part, dict) else str(part) for part in arguments]
        return self.run([self.python, HERE / script, *texts])

    def listening(self, command, core, ready="/"):
        """Starts a server on a core and returns it with its port, once it answers."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        command = ["taskset", "-c", str(core), *[str(part).replace("PORT", str(port)) for part in command]]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(600):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return process, port
            if process.poll() is not None:
                break
            time.sleep(0.1)
        process.kill()
        raise Skipped(f"{command[3]} does not listen")

    def load(self, server, path, bodies, core, milliseconds=3000):
        """Loads a server; adds the CPU time that a request took it, the warm-up's requests included."""
        process, port = server
        driver = ["taskset", "-c", str(core), self.driver, "load", "--address", f"127.0.0.1:{port}"]
        before = cpu_seconds(process.pid)
        result = self.run([*driver, "--path", path, "--bodies", bodies, "--milliseconds", milliseconds])
        result["requests_per_cpu_second"] = result["requests"] / (cpu_seconds(process.pid) - before)
        return result

    def ask(self, port, path, body=None, kind="application/json"):
        """Asks our server."""
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data, {"content-type": kind})
        with urllib.request.urlopen(request, timeout=600) as answer:
            return json.load(answer)

    def trained(self, port, csv, request):
        """Trains on our server."""
        dataset = self.ask(port, "/v1/datasets", pathlib.Path(csv).read_bytes(), "text/csv")
        job = self.ask(port, "/v1/jobs", {"kind": "train", "dataset": dataset["id"], **request})
        while job["status"] in ("queued", "running"):
            job = self.ask(port, f"/v1/jobs/{job['id']}?wait=30")
        if job["status"] != "succeeded":
            raise Skipped(f"the training has not succeeded: {job.get('error')}")


def cpu_seconds(process):
    """What the scheduler counted for the threads of a process so far."""
    tasks = pathlib.Path(f"/proc/{process}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def median(values):
    return statistics.median(values)


def measure(bench, row, rounds):
    """Runs the sides of a row alternately; returns every number of every round."""
    sides = row.sides(bench)
    measured = {name: [] for name in sides}
    try:
        for round_number in range(rounds):
            for name, work in sides.items():
                measured[name].append(work())
                print(f"  {row.name} {round_number + 1}/{rounds} {name}", file=sys.stderr)
    finally:
        row.close()
    return measured


def number(value):
    if value is None:
        return ""
    for limit, text in ((100, f"{value:,.0f}"), (1, f"{value:.2f}"), (0.001, f"{value:.4f}")):
        if abs(value) >= limit:
            return text
    return f"{value:.3g}"


def spread(values):
    return f"{number(median(values))} ({number(min(values))} to {number(max(values))})"


def column(measured, key):
    return [result[key] for result in measured if result.get(key) is not None]


def lines(row, found):
    """The lines of a row: for each peer and each number that is compared, the ratio of medians."""
    if "skipped" in found:
        return [f"| {row.title} | | | | | {row.target} | not measured: {found['skipped']} |"]
    result = []
    ours = found["measured"]["ours"]
    for peer in (name for name in found["measured"] if name != "ours"):
        for what in row.compared:
            a, b = column(ours, what.ours), column(found["measured"][peer], what.peer)
            if not a or not b:
                continue
            ratio = median(a) / median(b) if what.more_is_better else median(b) / median(a)
            rounds = f"{len(a)} rounds"
            target = row.targets.get((peer, what.name), row.targets.get(what.name))
            met = "" if target is None else ("reached" if ratio >= target else "**missed**")
            target = "" if target is None else f"≥ {target:g}"
            result.append(
                f"| {row.title} | {peer} | {what.name}, {what.unit}: {spread(a)} | {spread(b)} | "
                f"**{ratio:.2f}** | {target} | {met} ({rounds}) |"
            )
    for name, key, unit, limit in row.alone:
        values = column(ours, key)
        if values:
            met = "" if limit is None else ("reached" if median(values) < limit else "**missed**")
            target = "" if limit is None else f"< {limit:g} {unit}"
            result.append(f"| {row.title} | | {name}, {unit}: {spread(values)} | | | {target} | {met} ({len(values)} rounds) |")
    return result


def quality(row, found):
    """What both sides reached, so that like is compared with like."""
    told = []
    for name, measured in found.get("measured", {}).items():
        for key in row.quality:
            values = column(measured, key)
            if values:
                told.append(f"{name} {key.replace('_', ' ')} {spread(values)}")
    return told


def machine():
    text = pathlib.Path("/proc/cpuinfo").read_text() if os.path.exists("/proc/cpuinfo") else ""
    model = next((line.split(":")[1].strip() for line in text.splitlines() if line.startswith("model name")), "?")
    flags = next((line for line in text.splitlines() if line.startswith("flags")), "")
    has = [flag for flag in ("avx2", "fma", "avx512f") if f" {flag}" in flags]
    return f"{model}, {os.cpu_count()} cores, {', '.join(has)}, {platform.system()} {platform.release()}"


def versions(bench):
    names = ["fasttext", "scikit-learn", "torch", "keras", "tensorflow-cpu", "fastapi", "uvicorn", "numpy"]
    script = (
        "import importlib.metadata as m, json, sys\n"
        "def v(n):\n try: return m.version(n)\n except m.PackageNotFoundError: return None\n"
        f"print(json.dumps({{n: v(n) for n in {names!r}}}))"
    )
    found = json.loads(subprocess.run([bench.python, "-c", script], capture_output=True, text=True, check=True).stdout)
    # Of rows that were measured elsewhere.
    told = RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else ""
    for name in (name for name, version in found.items() if not version):
        before = re.search(rf"(?<=, ){re.escape(name)} ([^,\s]+),", told)
        found[name] = before and before[1]
    rust = subprocess.run(["rustc", "--version"], capture_output=True, text=True).stdout.strip()
    python = subprocess.run([bench.python, "--version"], capture_output=True, text=True).stdout.strip()
    return ", ".join([python, *(f"{n} {v}" for n, v in found.items() if v), rust])


def before():
    """The lines of the last report by the title of their row: those of the table, and those of what was run."""
    table, run = {}, {}
    if not RESULTS.exists():
        return table, run
    title = None
    for line in RESULTS.read_text(encoding="utf-8").splitlines():
        if line.startswith("| "):
            table.setdefault(line.split(" | ")[0][2:], []).append(line)
        elif line.startswith("- **") and "** (" in line and ", commit " in line:
            title = line[4 : line.index("** (")]
            run[title] = [line]
        elif line.startswith("  ") and title:
            run[title].append(line)
        else:
            title = None
    return table, run


def report(bench, results):
    text = (HERE / "preface.md").read_text(encoding="utf-8")
    # What was measured elsewhere stays as it was.
    kept, kept_run = before()
    day = datetime.date.today().isoformat()
    out = [text.rstrip(), "", f"{machine()}. {versions(bench)}. Table written {day}.", ""]
    out += ["| work | peer | ours: median (least to most) | peer | ratio | to reach | |", "|---|---|---|---|---|---|---|"]
    for row in ROWS:
        unmeasured = {"skipped": row.unmeasured or "not run yet"}
        if row.name not in results and row.title in kept:
            out += kept[row.title]
        else:
            out += lines(row, results.get(row.name, unmeasured))
    out += ["", "## What was run, and what came of it", ""]
    for row in ROWS:
        found = results.get(row.name, {})
        if row.name not in results:
            out += kept_run.get(row.title, [])
        if "measured" not in found:
            continue
        out.append(f"- **{row.title}** ({found['when']}, commit {found['commit']}, load before {found['load']}). {row.settings}")
        told = quality(row, found)
        if told:
            out.append(f"  Reached: {'; '.join(told)}.")
    notes = HERE / "bounds.md"
    if notes.exists():
        out += ["", notes.read_text(encoding="utf-8").rstrip()]
    RESULTS.write_text("\n".join(out) + "\n", encoding="utf-8")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scratch", default=os.path.join(tempfile.gettempdir(), "peers"))
    parser.add_argument("--data", default=str(ROOT.parent / "shared/data"))
    parser.add_argument("--report", action="store_true")
    parser.add_argument("--no-install", dest="install", action="store_false")
    parser.add_argument("--no-build", dest="build", action="store_false", help="take the binaries of the last run")
    arguments = parser.parse_args()
    bench = Bench(arguments)
    kept = bench.scratch / "results.json"
    results = json.loads(kept.read_text()) if kept.exists() else {}
    if not arguments.report:
        bench.prepare()
        commit = subprocess.run(
            ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True
        ).stdout.strip()
        for row in ROWS:
            if row.unmeasured or (arguments.only and not any(part in row.name for part in arguments.only)):
                continue
            found = {
                "when": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
                "commit": commit,
                "load": f"{os.getloadavg()[0]:.1f}",
            }
            try:
                found["measured"] = measure(bench, row, arguments.rounds)
            except Skipped as why:
                found["skipped"] = str(why)
                print(f"{row.name}: {why}", file=sys.stderr)
            results[row.name] = found
            kept.write_text(json.dumps(results))
            print("\n".join(lines(row, found)))
    report(bench, results)


if __name__ == "__main__":
    main()
