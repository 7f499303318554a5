#!/usr/bin/env python3
"""What the handlers of the in-memory cluster say of themselves is so: each opens with the versions it serves and its known
gaps, and each error code that src/testing can answer is provoked by the conformance suite, which runs on Apache Kafka, too, or
stands in the opening comment of a handler as a gap or as unproven."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
CODE = re.compile(r"\bKAFKA_ERR_([A-Z_0-9]+)")


def opening(text):
    return text[: text.index("*/")]


def main():
    wrong = []
    handlers = sorted((ROOT / "src/testing").glob("handle_*.c"))
    openings = ""
    for path in handlers:
        text = path.read_text()
        said = re.search(r"versions? (\d+) (?:to|and) (\d+)", opening(text))
        served = re.search(r"\.min_version = (\d+), *\.max_version = (\d+)", text)
        if not said or not served or said.groups() != served.groups():
            wrong.append(f"{path.name} does not open with the versions that it serves")
        if "Known gaps" not in opening(text):
            wrong.append(f"{path.name} does not tell its known gaps")
        openings += opening(text)
    if len(handlers) < 15:
        wrong.append("the handlers are not found any more")

    numbers = dict(re.findall(r"KAFKA_ERR_([A-Z_0-9]+) = (-?\d+)", (ROOT / "include/kafka/error.h").read_text()))
    proven = set()
    for path in (ROOT / "tests/conformance").glob("*.c"):
        proven |= set(CODE.findall(path.read_text()))
    for path in sorted((ROOT / "src/testing").glob("*.c")):
        for code in sorted(set(CODE.findall(path.read_text())) - proven):
            if not re.search(rf"\b{code}\b|(?<![\d.]){numbers[code]}\b", openings):
                wrong.append(f"{path.name}: nothing provokes {code}, and no handler calls it unproven")
    for line in wrong:
        print(f"check_handlers: {line}")
    return 1 if wrong else 0


sys.exit(main())
