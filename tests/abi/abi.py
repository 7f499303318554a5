#!/usr/bin/env python3
"""Pins what programs that were built against one version of libkafka and libkafka-testing rely on in the next.

    abi.py check BUILD_DIR     compares headers and the libraries with abi.txt
    abi.py write BUILD_DIR     writes abi.txt anew
    abi.py print BUILD_DIR     prints it

abi.txt holds, one per line, each struct's size and alignment, each field's offset and type, each enumerator's, constant's and
typedef's value, each function's type and symbol version. Additions are fine: they are named, and pinned by the next `write`. What
is pinned may not change or go away, except that a field called reserved... may make room for one with a name, as long as size
and all other fields stay.

Names and types come from clang's syntax tree; sizes, offsets and values from a program that is compiled against the headers.
"""
import json
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
INCLUDE = os.environ.get("KAFKA_INCLUDE", os.path.join(HERE, "..", "..", "include"))
PINNED = os.path.join(HERE, "abi.txt")
HEADING = """\
# What programs built against libkafka rely on (x86-64). Written by `tests/abi/abi.py write build/release`, which says more.
#   struct NAME size SIZE align ALIGN        and its fields: NAME.FIELD at OFFSET: TYPE
"""


def run(*args, text=None):
    return subprocess.run(args, input=text, check=True, capture_output=True, text=True).stdout


def clang(*args):
    return run(os.environ.get("CLANG", "clang-14"), "-std=c11", "-I", INCLUDE, *args, "-x", "c", "-",
               text="#include <kafka/testing.h>\n")  # which includes all others


def declarations():
    """The top level of the headers' syntax tree that is ours, by kind."""
    tree = json.loads(clang("-fsyntax-only", "-Xclang", "-ast-dump=json"))
    found = {"RecordDecl": {}, "FunctionDecl": {}, "EnumDecl": [], "TypedefDecl": {}}
    for node in tree["inner"]:
        kind, name = node["kind"], node.get("name", "")
        if kind == "EnumDecl":
            found[kind] += [c["name"] for c in node["inner"] if c.get("name", "").startswith("KAFKA_")]
        elif kind in found and name.startswith("kafka_"):
            if kind != "RecordDecl" or node.get("completeDefinition"):
                found[kind][name] = node
    return found


def constants():
    """Macros without parameters that stand for a number."""
    for line in clang("-E", "-dM").splitlines():
        match = re.match(r"#define (KAFKA_[A-Z0-9_]+) (\(?-?(?:INT64_C\()?-?[0-9][0-9a-fx]*\)*)$", line)
        if match:
            yield match.group(1)


def fields(record):
    for field in record.get("inner", []):
        if field["kind"] != "FieldDecl":
            continue
        if "name" not in field:
            sys.exit("abi.py: %s has a field without a name: teach abi.py about those" % record["name"])
        yield field["name"], field["type"]["qualType"]


def measure(found):
    """Lines of the text that need a compiler to know numbers."""
    lines = []
    for name, record in sorted(found["RecordDecl"].items()):
        kind = record["tagUsed"]
        lines.append('printf("%s %s size %%zu align %%zu\\n", sizeof(%s %s), _Alignof(%s %s));' % (kind, name, kind, name, kind, name))
        for field, ctype in fields(record):
            lines.append('printf("%s.%s at %%zu: %s\\n", offsetof(%s %s, %s));' % (name, field, ctype, kind, name, field))
    for name in sorted(set(found["EnumDecl"]) | set(constants())):
        lines.append('printf("constant %s = %%lld\\n", (long long)(%s));' % (name, name))
    program = "#include <kafka/testing.h>\n#include <stddef.h>\n#include <stdio.h>\nint main(void)\n{\n%s\nreturn 0;\n}\n" % "\n".join(lines)
    with tempfile.TemporaryDirectory() as folder:
        binary = os.path.join(folder, "measure")
        run("cc", "-std=c11", "-I", INCLUDE, "-x", "c", "-", "-o", binary, text=program)
        return run(binary).splitlines()


def exported(build):
    """Symbol versions of what the libraries export, by name; kafka__... is between the two of them."""
    names = {}
    for library in ("libkafka.so", "libkafka-testing.so"):
        for line in run("nm", "-D", "--defined-only", os.path.join(build, library)).splitlines():
            name, _, version = line.split()[-1].partition("@@")
            if version and not name.startswith("kafka__"):
                names[name] = version
    return names


def describe(build):
    found, versions = declarations(), exported(build)
    lines = measure(found)
    for name, node in sorted(found["TypedefDecl"].items()):
        ctype = node["type"]["qualType"]
        if ctype != "struct " + name:
            lines.append("typedef %s = %s" % (name, ctype))
    for name, node in sorted(found["FunctionDecl"].items()):
        lines.append("function %s %s: %s" % (name, versions.get(name, "NOT EXPORTED"), node["type"]["qualType"]))
    for name in sorted(set(versions) - set(found["FunctionDecl"])):
        lines.append("function %s %s: NOT DECLARED" % (name, versions[name]))
    return lines


def subject(line):
    """What a line is about: the line without what it says of it."""
    return re.sub(r"(:| = | size | at | KAFKA_(?:TESTING_)?[0-9]| NOT EXPORTED).*", "", line)


def compare(pinned, now):
    """Complaints about what changed, and what is new."""
    there = {subject(line): line for line in now}
    wrong = []
    for line in pinned:
        about = subject(line)
        if re.search(r"\.reserved[0-9]*$", about) or there.get(about) == line:
            continue
        wrong.append("pinned: %s\n   now: %s" % (line, there.get(about, "gone")))
    before = {subject(line) for line in pinned}
    return wrong, [line for line in now if subject(line) not in before]


def main():
    if len(sys.argv) != 3 or sys.argv[1] not in ("check", "write", "print"):
        sys.exit(__doc__)
    command, build = sys.argv[1:]
    now = describe(build)
    if command == "print":
        print("\n".join(now))
    elif command == "write":
        with open(PINNED, "w", encoding="utf-8") as out:
            out.write(HEADING + "\n".join(now) + "\n")
    else:
        with open(PINNED, encoding="utf-8") as lines:
            pinned = [line.rstrip("\n") for line in lines if not line.startswith("#")]
        wrong, new = compare(pinned, now)
        for line in new:
            print("new: " + line)
        if new:
            print("tests/abi/abi.py write %s pins what is new" % build)
        for complaint in wrong:
            print(complaint)
        if wrong:
            sys.exit("abi.py: %d changes would break programs that are already built. Undo them; or, if no version with them was "
                     "released, or SOVERSION is raised as well: tests/abi/abi.py write %s" % (len(wrong), build))
        print("abi.py: all %d of abi.txt as pinned, %d new" % (len(pinned), len(new)))


main()
