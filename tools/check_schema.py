#!/usr/bin/env python3
"""Compares schema/ with the message definitions that Kafka's own client jars contain.

    tools/check_schema.py kafka-clients-4.4.0.jar kafka-clients-3.9.1.jar [-v]

Every version of every message is compared field by field: order, name, type, null, tag, default, compactness, and for
fields that a version lacks, whether they may be ignored. A version that the first (newer) jar no longer defines is
compared with the second. The versions defined here must reach from the oldest of the second jar to the newest stable one
of the first: a `latestVersionUnstable` version must not be defined. Prints each difference and a summary; exits 1 when
there are any, 2 when a jar cannot be read. -v lists what was compared.
"""
import collections
import json
import pathlib
import re
import sys
import zipfile

import schema

ROOT = pathlib.Path(__file__).resolve().parent.parent

# What is compared of a field in one version.
Shape = collections.namedtuple("Shape", "name type null tag default rigid fields")


def strip_comments(text):
    """JSON without its // comments; strings are left alone."""
    return re.sub(r'("(?:[^"\\]|\\.)*")|//[^\n]*', lambda match: match.group(1) or "", text)


def snake(name):
    name = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name)
    return re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", name).lower()


def versions_of(text, otherwise=schema.NEVER):
    return otherwise if text is None else schema.parse_versions(text, "jar")


class Jar:
    """The message definitions of one release."""

    def __init__(self, path):
        self.name = re.sub(r"^kafka-clients-|\.jar$", "", pathlib.Path(path).name)
        self.messages = {}
        unstable = set()  # keys of APIs whose newest version is; only the request's definition says so
        with zipfile.ZipFile(path) as archive:
            for entry in archive.namelist():
                if entry.startswith("common/message/") and entry.endswith(".json"):
                    text = archive.read(entry).decode("utf-8")
                    message = json.loads(strip_comments(text))
                    self.messages[message["name"]] = message
                    if message.get("latestVersionUnstable", False):
                        unstable.add(message["apiKey"])
        self.unstable = unstable

    def valid(self, name):
        """The stable versions of a message; NEVER when the release does not have it."""
        message = self.messages.get(name)
        if message is None:
            return schema.NEVER
        low, high = versions_of(message["validVersions"])
        return low, high - (1 if message.get("apiKey") in self.unstable else 0)

    def flexible(self, name):
        versions = versions_of(self.messages[name].get("flexibleVersions", "none"))
        return None if versions == schema.NEVER else versions[0]


def kafka_default(field):
    """The default of a field of a jar, in the terms of schema.Field.default."""
    kind, text = field["type"], field.get("default")
    if isinstance(text, bool):
        return text
    if text is not None and str(text) != "":
        text = str(text)
        if text == "null":
            return None
        if text in ("true", "false"):
            return text == "true"
        return float(text) if kind == "float64" else int(text, 0)
    if kind == "records":
        return None
    if kind == "bool":
        return False
    return "" if kind.startswith("[]") or kind in ("string", "bytes") or kind[0].isupper() else 0


class KafkaSide:
    """Shapes from a jar."""

    def __init__(self, jar, name):
        self.message = jar.messages[name]
        self.common = {item["name"]: item["fields"] for item in self.message.get("commonStructs", [])}
        self.remember(self.message["fields"])

    def remember(self, fields):
        for field in fields:
            if field.get("fields"):
                self.common.setdefault(field["type"].removeprefix("[]"), field["fields"])
                self.remember(field["fields"])

    def children(self, field):
        kind = field["type"].removeprefix("[]")
        return self.common[kind] if kind[0].isupper() else []

    def shape(self, field, version):
        kind = field["type"]
        inner = self.children(field)
        tagged = schema.contains(versions_of(field.get("taggedVersions")), version)
        name = ("[]" if kind.startswith("[]") else "") + ("struct" if inner else kind.removeprefix("[]"))
        return Shape(snake(field["name"]), name, schema.contains(versions_of(field.get("nullableVersions")), version),
                     field["tag"] if tagged else None, kafka_default(field), field.get("flexibleVersions") == "none",
                     self.shapes(inner, version))

    def shapes(self, fields, version):
        return [self.shape(field, version) for field in fields if schema.contains(versions_of(field["versions"]), version)]

    def root(self, version):
        return self.shapes(self.message["fields"], version)

    def flags(self):
        """Path -> (ignorable, default) of all fields."""
        result = {}

        def walk(fields, path):
            for field in fields:
                here = path + snake(field["name"])
                result[here] = (bool(field.get("ignorable", False)), kafka_default(field))
                walk(self.children(field), here + ".")

        walk(self.message["fields"], "")
        return result


class OurSide:
    """Shapes from a definition file."""

    def __init__(self, message):
        self.message = message

    def shape(self, field, version):
        kind = ("[]" if field.array else "") + ("struct" if field.struct else field.kind)
        tagged = schema.contains(field.tagged, version)
        return Shape(field.name, kind, schema.contains(field.nullable, version), field.tag if tagged else None,
                     field.default, field.rigid, self.shapes(field.struct, version) if field.struct else [])

    def shapes(self, struct, version):
        return [self.shape(field, version) for field in struct.fields if schema.contains(field.versions, version)]

    def root(self, version):
        return self.shapes(self.message.root, version)

    def flags(self):
        """Path -> (ignorable, default, the versions that lack the field but not the struct around it) of all fields."""
        result = {}

        def walk(struct, path, alive):
            for field in struct.fields:
                here = path + field.name
                has = [version for version in alive if schema.contains(field.versions, version)]
                result[here] = (field.ignorable, field.default, [version for version in alive if version not in has])
                if field.struct:
                    walk(field.struct, here + ".", has)

        walk(self.message.root, "", range(self.message.versions[0], self.message.versions[1] + 1))
        return result


def ordered(shapes):
    """As they lie on the wire: plain fields in order, tagged ones by tag."""
    return [s for s in shapes if s.tag is None] + sorted((s for s in shapes if s.tag is not None), key=lambda s: s.tag)


def compare_shapes(ours, theirs, path):
    """Differences of two lists of fields, as text."""
    ours, theirs = ordered(ours), ordered(theirs)
    if [s.name for s in ours] != [s.name for s in theirs]:
        yield f"{path or 'message'}: fields are {[s.name for s in ours]}, Kafka has {[s.name for s in theirs]}"
        return
    for our, their in zip(ours, theirs):
        here = path + our.name
        for what in ("type", "null", "tag", "default", "rigid"):
            mine, other = getattr(our, what), getattr(their, what)
            if mine != other or isinstance(mine, bool) != isinstance(other, bool):
                yield f"{here}: {what} is {mine!r}, Kafka has {other!r}"
        yield from compare_shapes(our.fields, their.fields, here + ".")


def compare_message(message, jars, kafka_name):
    """Differences of a message in all of its versions, as text."""
    newer, older = jars
    new, old = newer.valid(kafka_name), older.valid(kafka_name)
    if new == schema.NEVER and old == schema.NEVER:
        yield "neither jar knows this message"
        return
    low = min(valid[0] for valid in (new, old) if valid != schema.NEVER)
    high = new[1] if new != schema.NEVER else old[1]
    if message.versions != (low, high):
        yield f"versions are {message.versions}, Kafka has {(low, high)}"
    sides = {jar: KafkaSide(jar, kafka_name) for jar in jars if kafka_name in jar.messages}
    for jar in sides:
        if jar.flexible(kafka_name) != message.flexible:
            yield f"flexible from {message.flexible}, Kafka {jar.name} has {jar.flexible(kafka_name)}"
    ours = OurSide(message)
    for version in range(message.versions[0], message.versions[1] + 1):
        jar = newer if schema.contains(new, version) else older
        if not schema.contains(jar.valid(kafka_name), version):
            yield f"v{version}: neither jar defines it"
            continue
        for text in compare_shapes(ours.root(version), sides[jar].root(version), ""):
            yield f"v{version} ({jar.name}): {text}"
    yield from compare_flags(ours.flags(), sides, lambda version: newer if schema.contains(new, version) else older,
                             message.versions)


def compare_flags(ours, sides, jar_of, valid):
    """Differences in `ignorable` and default. They count in versions that lack the field, but have the struct around it
    (or that is refused, or dropped, as a whole); a field that no version lacks is compared as in the newest version. A
    jar that does not know the field leaves the word to the other."""
    known = {jar: side.flags() for jar, side in sides.items()}
    for path, (ignorable, default, lacking) in ours.items():
        for jar in dict.fromkeys(jar_of(version) for version in lacking or [valid[1]]):
            source = jar if path in known.get(jar, {}) else next((j for j in known if path in known[j]), None)
            if source and known[source][path] != (ignorable, default):
                yield (f"({source.name}): {path}: ignorable, default are {(ignorable, default)}, "
                       f"Kafka has {known[source][path]}")


def count_fields(message):
    return sum(len(struct.fields) for struct in message.structs)


def main(arguments):
    verbose = "-v" in arguments
    paths = [argument for argument in arguments if argument != "-v"]
    if len(paths) != 2:
        print(__doc__)
        return 2
    try:
        jars = [Jar(path) for path in paths]
    except (OSError, zipfile.BadZipFile, ValueError) as error:
        print(f"check_schema.py: {error}")
        return 2
    messages = versions = fields = differences = 0
    for path in sorted((ROOT / "schema").iterdir()):
        if path.suffix:
            continue
        file = schema.parse(path)
        for message in file.messages:
            kafka_name = schema.camel(message.name)
            if file.api_key is not None:
                keys = {jar.messages[kafka_name]["apiKey"] for jar in jars if kafka_name in jar.messages}
                if keys != {file.api_key}:
                    differences += 1
                    print(f"{path.name}: {message.title}: api key is {file.api_key}, Kafka has {keys or 'no such message'}")
            for text in compare_message(message, jars, kafka_name):
                differences += 1
                print(f"{path.name}: {message.title}: {text}")
            messages += 1
            versions += message.versions[1] - message.versions[0] + 1
            fields += count_fields(message)
            if verbose:
                print(f"{message.title}: versions {message.versions[0]}-{message.versions[1]}, {count_fields(message)} fields")
    print(f"{messages} messages, {versions} versions, {fields} fields, {differences} differences "
          f"(Kafka {jars[0].name}, and {jars[1].name} for what it removed)")
    return 1 if differences or not messages else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
