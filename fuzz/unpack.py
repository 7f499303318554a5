#!/usr/bin/env python3
"""Unpacks a corpus (fuzz/corpus/*.txt, `name hex` in each line) into a folder of one file per input, as libFuzzer wants
it.

    unpack.py FOLDER corpus.txt...
"""
import hashlib
import pathlib
import sys


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for path in sys.argv[2:]:
        for line in pathlib.Path(path).read_text().splitlines():
            if line and not line.startswith("#"):
                data = bytes.fromhex(line.split(maxsplit=1)[1])
                (folder / hashlib.sha1(data).hexdigest()).write_bytes(data)


main()
