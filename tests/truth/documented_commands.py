"""Runs every command of docs/peers.md as it stands there, in order: each ends well, or with 3 where its row says so, and what is said of
the ill-conditioned case comes out. Usage: documented_commands.py LIKELY SOURCE"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

LIKELY, SOURCE = sys.argv[1:3]


def main():
    with open(os.path.join(SOURCE, "docs/peers.md"), encoding="utf-8") as f:
        page = f.read()
    setup = re.search(r"```sh\n(.*?)```", page, re.DOTALL).group(1)
    commands = []
    for line in page.split("\n"):
        cells = re.split(r"(?<!\\)\|", line)
        if line.startswith("|") and len(cells) == 6 and not cells[1].strip().startswith(("theme", "---")):
            commands += [(c.replace("\\|", "|"), "exits with 3" in cells[3]) for c in re.findall(r"`([^`]*)`", cells[4])]
    with tempfile.TemporaryDirectory() as folder:
        os.mkdir(os.path.join(folder, "bin"))
        os.symlink(os.path.realpath(LIKELY), os.path.join(folder, "bin/likely"))
        os.symlink(os.path.join(os.path.realpath(SOURCE), "examples"), os.path.join(folder, "examples"))
        env = dict(os.environ, PATH=os.path.join(folder, "bin") + ":" + os.environ["PATH"], TERM="dumb")
        for command, doubtful in [(setup, False)] + commands:
            if command.startswith("make ") or (" plot " in command and shutil.which("gnuplot") is None):
                continue
            done = subprocess.run(["sh", "-c", command], cwd=folder, env=env, capture_output=True, text=True)
            if done.returncode != (3 if doubtful else 0):
                sys.exit(f"{command}: exit {done.returncode}\n{done.stderr}")
            if "density ill.lk" in command and abs(float(done.stdout.split()[-1]) - 11.185270887249) > 1e-11:
                sys.exit(f"{command}: {done.stdout}")
    if len(commands) < 15:
        sys.exit(f"only {len(commands)} commands found")
    print(f"{len(commands)} commands")


main()
