#!/usr/bin/env python3
"""Runs the commands of the manual again and compares their numbers:

    Tests/Documentation/run.py BUILD [PAGE ...]

BUILD is the directory of the programs (.build/release). commands.tsv lists one check a line: page,
command, regular expression, expected number, tolerance. The expression is searched in the output;
its group is the number. Without a number, it must only be found. Lines with the same command share
one run. Each command must stand in its page. Commands run in order, in a temporary directory with
links to Launch and to BUILD.
"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

here = pathlib.Path(__file__).resolve().parent
root = here.parent.parent
catalog = root / "Sources/MFAC/MFAC.docc"


def page_text(page):
    path = root / "README.md" if page == "README" else catalog / f"{page}.md"
    text = path.read_text().replace("\\\n", " ")
    return re.sub(r"\s+", " ", text)


def main():
    if len(sys.argv) < 2:
        sys.exit("usage: Tests/Documentation/run.py BUILD [PAGE ...]")
    build, pages = pathlib.Path(sys.argv[1]).resolve(), set(sys.argv[2:])
    lines = [
        line.split("\t") for line in (here / "commands.tsv").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    if bad := [line for line in lines if len(line) not in (3, 5)]:
        sys.exit(f"commands.tsv: expected 3 or 5 columns: {bad[0]}")
    checks = [(line + ["", ""])[:5] for line in lines if not pages or line[0] in pages]
    if not checks:
        sys.exit(f"commands.tsv has no line of {', '.join(sorted(pages))}")
    failures, outputs = [], {}
    with tempfile.TemporaryDirectory() as directory:
        os.symlink(root / "Launch", f"{directory}/Launch")
        os.mkdir(f"{directory}/.build")
        os.symlink(build, f"{directory}/.build/release")
        for page, command, pattern, expected, tolerance in checks:
            if re.sub(r"\s+", " ", command) not in page_text(page):
                failures.append(f"{page} does not contain: {command}")
            if command not in outputs:
                start = time.monotonic()
                done = subprocess.run(
                    ["bash", "-c", command], cwd=directory, capture_output=True, text=True)
                outputs[command] = done.stdout + done.stderr
                print(f"{page}: {command} ({time.monotonic() - start:.0f} s)", flush=True)
                if done.returncode != 0:
                    failures.append(f"{page}: {command}: status {done.returncode}\n{done.stderr}")
            found = re.search(pattern, outputs[command])
            if not found:
                failures.append(f"{page}: {command}: not found: {pattern}\n{outputs[command]}")
            elif expected:
                number = float(found[1].replace(",", ""))
                right = abs(number - float(expected)) <= float(tolerance)
                print(f"  {found[0].strip()}  (expected {expected} ± {tolerance})", flush=True)
                if not right:
                    failures.append(
                        f"{page}: {command}: expected {expected} ± {tolerance}, got {number}")
    for failure in failures:
        print(f"FAILED {failure}")
    sys.exit(1 if failures else 0)


main()
