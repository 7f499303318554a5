#!/usr/bin/env python3
"""Are the tests that docs/conformance.md names part of this run, and did they pass?

    check_conformance.py LOG...     the logs of ctest (Testing/Temporary/LastTest.log), one or more

Every row needs a test, or has to say that it is left out or with what it comes. Rows of one kind are numbered without gaps.
"""
import re
import sys
from pathlib import Path

PAGE = Path(__file__).resolve().parent.parent / "docs" / "conformance.md"
ROW = re.compile(r"^\| ([A-Z]+)-(\d+) \| (.*) \| (.*) \|$")
TEST = re.compile(r"`(\w+): (\w+)`")
WITH_GAPS = {"T"}  # traps of parts that do not exist yet are left out


def rows():
    for number, line in enumerate(PAGE.read_text().splitlines(), 1):
        match = ROW.match(line)
        if match:
            kind, index, what, tests = match.groups()
            yield number, kind, int(index), what, tests


def passed(logs):
    """All "program: test" that passed in the logs."""
    found = set()
    for log in logs:
        program = None
        for line in Path(log).read_text(errors="replace").splitlines():
            if match := re.match(r"^\d+/\d+ Test: (\S+)", line):
                program = match.group(1)
            elif match := re.match(r"^\[       OK \] (\w+)", line):
                found.add((program, match.group(1)))
    return found


def main():
    logs = sys.argv[1:]
    if not logs:
        sys.exit(__doc__)
    ran, wrong, named, last = passed(logs), [], set(), {}
    count = 0
    for number, kind, index, what, tests in rows():
        count += 1
        here = f"docs/conformance.md:{number}: {kind}-{index:02d}"
        expected = last.get(kind, 0) + 1
        if index != expected and not (kind in WITH_GAPS and index > expected):
            wrong.append(f"{here} follows {kind}-{expected - 1:02d}")
        last[kind] = index
        pairs = TEST.findall(tests)
        if not re.fullmatch(r"-|`\w+: \w+`(, `\w+: \w+`)*", tests):
            wrong.append(f"{here}: not a list of tests: {tests}")
        if not pairs and not (tests == "-" and re.match(r"(Left out|Comes with)", what)):
            wrong.append(f"{here} names no test")
        for pair in pairs:
            named.add(pair)
            if pair not in ran:
                wrong.append(f"{here}: {': '.join(pair)}: did not run or did not pass")
    for line in wrong:
        print(line)
    print(f"check_conformance: {count} rows, {len(named)} tests, {len(wrong)} wrong")
    sys.exit(1 if wrong or not count else 0)


main()
