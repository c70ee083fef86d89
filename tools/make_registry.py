"""Collects every LKI_METHOD(name, order) of the families' sources into the registry, sorted by order.

make_registry.py OUTPUT DEPFILE ROOM_FOLDER...
"""

import pathlib
import re
import sys

DEFINITION = re.compile(r"^LKI_METHOD\(\s*(\w+)\s*,\s*(\d+)\s*\)", re.MULTILINE)


def main():
    output, depfile, *rooms = sys.argv[1:]
    sources = sorted(path for room in rooms for path in pathlib.Path(room).glob("*.c"))
    methods = []
    for path in sources:
        for name, order in DEFINITION.findall(path.read_text(encoding="utf-8")):
            methods.append((int(order), name, path))
    methods.sort()
    for (order, name, path), (next_order, next_name, next_path) in zip(methods, methods[1:]):
        if order == next_order or name == next_name:
            sys.exit(f"{path}: {name} ({order}) and {next_path}: {next_name} ({next_order}) clash")
    lines = ["/* The registry, written by tools/make_registry.py from every LKI_METHOD of the families. */",
             '#include "model/method.h"', ""]
    lines += [f"extern const lki_method lki_method_{name};" for _, name, _ in methods]
    entries = "".join(f"&lki_method_{name}, " for _, name, _ in methods)
    lines += ["", f"const lki_method *const lki_methods[] = {{{entries}NULL}};", ""]
    text = "\n".join(lines)
    target = pathlib.Path(output)
    if not target.exists() or target.read_text(encoding="utf-8") != text:
        target.write_text(text, encoding="utf-8")
    listed = " ".join(str(path).replace(" ", "\\ ") for path in sources)
    pathlib.Path(depfile).write_text(f"{output}: {listed}\n", encoding="utf-8")


main()
