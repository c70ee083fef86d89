"""Writes the first C block of a Markdown page to a file, so that the page's example is compiled and tested.

extract_example.py PAGE OUTPUT
"""

import pathlib
import re
import sys


def main():
    page, output = sys.argv[1:]
    block = re.search(r"^```c\n(.*?)^```$", pathlib.Path(page).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    if block is None:
        sys.exit(f"{page}: there is no C block")
    pathlib.Path(output).write_text(block.group(1), encoding="utf-8")


main()
