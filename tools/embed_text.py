"""Makes texts that the program writes out into C constants: const char NAME[] for each NAME=FILE.

embed_text.py OUTPUT NAME=FILE...
"""

import pathlib
import sys


def literal(line):
    return '"' + line.replace("\\", "\\\\").replace('"', '\\"') + '\\n"'


def main():
    output, *pairs = sys.argv[1:]
    parts = ["/* Texts, written by tools/embed_text.py from the files beside their names. */"]
    for pair in pairs:
        name, path = pair.split("=", 1)
        lines = pathlib.Path(path).read_text(encoding="ascii").splitlines()
        parts.append(f"extern const char {name}[];\nconst char {name}[] =\n    " + "\n    ".join(map(literal, lines)) + ";")
    pathlib.Path(output).write_text("\n".join(parts) + "\n", encoding="ascii")


main()
