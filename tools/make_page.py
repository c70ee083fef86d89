#!/usr/bin/env python3
"""Makes the page of `likely report` and puts it into a C source: style and program bundled by esbuild, with a place for title and numbers.

make_page.py OUTPUT WORK [--deflate] (--reason TEXT | --npm NPM --node NODE --web FOLDER [--required])

What npm brings is installed once into WORK/web, by the lock file alone and without scripts. Where that fails the library holds the reason
instead of a page, unless --required. It is bundled for browsers of 2020 and later.
"""
import argparse
import base64
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import zlib

TITLE, DATA = b"%TITLE%", b"%DATA%"


class Failed(Exception):
    """Why there is no page, in one line."""


def run(command, what, **options):
    try:
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    except (OSError, subprocess.CalledProcessError) as error:
        said = (getattr(error, "stdout", None) or str(error)).strip().splitlines() or ["no reason given"]
        told = next((line for line in said if "error" in line.lower()), said[-1]).strip()
        raise Failed("%s failed when it was built: %s" % (what, told))


def install(npm, node, web, work):
    """What package-lock.json names, in WORK/web/node_modules; a second time nothing is done."""
    lock = (web / "package-lock.json").read_bytes()
    stamp = work / "node_modules" / ".installed"
    if not stamp.exists() or stamp.read_bytes() != lock:
        work.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(web / name, work / name)
        path = os.pathsep.join([os.path.dirname(node), os.environ.get("PATH", "")])
        run([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline", "--fetch-retries=1", "--fetch-timeout=30000"],
            "npm ci", cwd=work, env={**os.environ, "PATH": path}, timeout=600)
        stamp.write_bytes(lock)
    return work / "node_modules"


def bundle(node, modules, source, target, kind):
    run([node, str(modules / "esbuild" / "bin" / "esbuild"), str(source), "--outfile=" + str(target), "--bundle", "--minify",
         "--target=es2020", "--charset=ascii", "--legal-comments=none", "--log-level=warning"] + kind,
        "esbuild", env={**os.environ, "NODE_PATH": str(modules)})
    return target.read_bytes().strip()


def page(arguments, work):
    web = pathlib.Path(arguments.web)
    modules = install(arguments.npm, arguments.node, web, work)
    script = bundle(arguments.node, modules, web / "main.js", work / "main.bundle.js", ["--format=iife"])
    style = bundle(arguments.node, modules, web / "page.css", work / "page.bundle.css", [])
    for text, end in ((script, b"</script"), (style, b"</style")):
        if end in text.lower():
            raise Failed("the bundle holds %s, which would end it in a page" % end.decode())
    mark = b"sha256-" + base64.b64encode(hashlib.sha256(script).digest())
    text = (web / "page.html").read_bytes().replace(b"%HASH%", mark).replace(b"%CSS%", style)
    before, after = text.split(b"%JS%")
    return before + script + after if before.count(TITLE) == 1 and before.count(DATA) == 1 else None


def literal(bytes_):
    lines = (", ".join(map(str, bytes_[i:i + 32])) for i in range(0, len(bytes_), 32))
    return ",\n    ".join(lines)


def write(path, made, reason, deflate):
    if made is None:
        body = "static const unsigned char bytes[1];\nconst lki_page_template lki_page_made = {.bytes = bytes, .reason = \"%s\"};\n" % (
            "".join(c if " " <= c <= "~" and c not in '"\\' else "?" for c in reason))
    else:
        title = made.index(TITLE)
        made = made.replace(TITLE, b"", 1)
        data = made.index(DATA)
        made = made.replace(DATA, b"", 1)
        stored = zlib.compress(made, 9) if deflate else made
        body = ("static const unsigned char bytes[%d] = {\n    %s};\nconst lki_page_template lki_page_made = {.bytes = bytes, .packed = %d, "
                ".size = %d, .title = %d, .data = %d};\n") % (len(stored), literal(stored), len(stored) if deflate else 0, len(made), title, data)
    head = '/* The page of reports, written by tools/make_page.py. */\n#include "report/page.h"\n\n'
    pathlib.Path(path).write_text(head + body, encoding="ascii")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output")
    parser.add_argument("work")
    for name in ("--reason", "--npm", "--node", "--web"):
        parser.add_argument(name)
    parser.add_argument("--deflate", action="store_true")
    parser.add_argument("--required", action="store_true")
    arguments = parser.parse_args()
    made, reason = None, arguments.reason
    if reason is None:
        try:
            made = page(arguments, pathlib.Path(arguments.work).resolve() / "web")
        except Failed as failed:
            reason = str(failed)
            print("reports will have no page: " + reason, file=sys.stderr)
            if arguments.required:
                sys.exit(1)
    write(arguments.output, made, reason, arguments.deflate)


main()
