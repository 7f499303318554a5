#!/usr/bin/env python3
"""Checks the direction of the arrows between the layers of src/, and that cli/ and examples/ use public headers only.

    tools/check_layers.py        prints each wrong #include and exits 1 if there is one
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
LAYERS = ["base", "wire", "net", "engine", "api"]  # lowest first; a file includes its own folder and those before it
BESIDE = {"testing": "net"}  # a tower of its own on top of that layer: the rest of the library does not know it
# wire/ turns bytes into structs and back: it knows no socket, clock, thread or log.
FORBIDDEN_IN_WIRE = {"base/time.h", "base/log.h", "base/thread.h", "base/cancel.h", "sys/socket.h", "pthread.h", "time.h"}
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^">]+)[">]')


def includes(path):
    for number, line in enumerate(path.read_text().splitlines(), 1):
        match = INCLUDE.match(line)
        if match:
            yield number, match.group(1), match.group(2)


def files(folder):
    return sorted(p for p in (ROOT / folder).rglob("*") if p.suffix in (".c", ".h", ".cc"))


def visible(layer):
    below = LAYERS[: LAYERS.index(BESIDE.get(layer, layer)) + 1]
    return below + [layer, "kafka"]


def main():
    wrong = []
    for layer in LAYERS + list(BESIDE):
        for path in files(f"src/{layer}"):
            for number, kind, name in includes(path):
                top = name.split("/")[0]
                if kind == '"' and top not in visible(layer):
                    wrong.append((path, number, f"{layer}/ includes {name}, which does not lie below it"))
                if kind == '"' and "/" not in name:
                    wrong.append((path, number, f'"{name}" is not written from src/ on'))
                if layer == "wire" and name in FORBIDDEN_IN_WIRE:
                    wrong.append((path, number, f"wire/ must not know {name}"))
    for folder in ("cli", "examples"):
        for path in files(folder):
            for number, kind, name in includes(path):
                if name.split("/")[0] in LAYERS:
                    wrong.append((path, number, f"{folder}/ uses public headers only, not {name}"))
    for path, number, what in wrong:
        print(f"{path.relative_to(ROOT)}:{number}: {what}")
    print(f"check_layers: {'ok' if not wrong else f'{len(wrong)} wrong'}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
