"""Reads the definition files of schema/ (grammar: schema/GRAMMAR.md) into plain objects, and refuses what cannot work.

Used by gen.py, which writes C, and by check_schema.py, which compares with Kafka's own definitions.
"""
import re

FOREVER = 32767  # the upper end of "3+"
NEVER = (0, -1)  # a range without any version

# name on the wire -> (C type, least bytes, constant of schema.h)
SCALARS = {
    "bool": ("bool", 1, "KFK_TYPE_BOOL"),
    "int8": ("int8_t", 1, "KFK_TYPE_INT8"),
    "int16": ("int16_t", 2, "KFK_TYPE_INT16"),
    "uint16": ("uint16_t", 2, "KFK_TYPE_UINT16"),
    "int32": ("int32_t", 4, "KFK_TYPE_INT32"),
    "uint32": ("uint32_t", 4, "KFK_TYPE_UINT32"),
    "int64": ("int64_t", 8, "KFK_TYPE_INT64"),
    "float64": ("double", 8, "KFK_TYPE_FLOAT64"),
    "uuid": ("kfk_uuid", 16, "KFK_TYPE_UUID"),
    "string": ("kafka_bytes", None, "KFK_TYPE_STRING"),
    "bytes": ("kafka_bytes", None, "KFK_TYPE_BYTES"),
    "records": ("kfk_records", None, "KFK_TYPE_RECORDS"),
}
LIMITS = {"int8": 8, "int16": 16, "int32": 32, "int64": 64}
NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*$")
C_KEYWORDS = set("auto break case char const continue default do double else enum extern float for goto if inline int long "
                 "register restrict return short signed sizeof static struct switch typedef union unsigned void volatile "
                 "while bool true false".split())


class SchemaError(Exception):
    """A definition file that says something impossible; the text begins with file and line."""


class Struct:
    """A group of fields: an element of an array, or a value by itself."""

    def __init__(self, name):
        self.name = name
        self.fields = []


class Field:
    """One line of a definition. `default` is None for null, a bool, an int, or "" for what is empty."""

    def __init__(self, name, kind, versions, where):
        self.name, self.kind, self.versions, self.where = name, kind, versions, where
        self.array = False
        self.struct = None
        self.nullable = self.tagged = NEVER
        self.tag = None
        self.default = None
        self.has_default = False
        self.ignorable = self.rigid = False
        self.about = ""

    @property
    def c_name(self):
        return self.name + "_" if self.name in C_KEYWORDS else self.name

    def is_pointer(self):
        """A struct that may be null is a pointer in C."""
        return self.struct is not None and not self.array and self.nullable != NEVER


class Message:
    """A request, a response, or a message of its own (a header)."""

    def __init__(self, name, title, versions, flexible):
        self.name, self.title, self.versions, self.flexible = name, title, versions, flexible
        self.root = Struct(name)
        self.structs = []  # inner ones first, each once

    def is_flexible(self, version):
        return self.flexible is not None and version >= self.flexible


class File:
    """A definition file: an API with its request and response, or messages without an API."""

    def __init__(self, path, stem):
        self.path, self.stem = path, stem
        self.api_key = None
        self.api_name = None
        self.messages = []

    @property
    def title(self):
        return camel(self.api_name)


def camel(name):
    return "".join(part.capitalize() for part in name.split("_"))


def contains(versions, version):
    return versions[0] <= version <= versions[1]


def parse_versions(text, where):
    if text == "none":
        return NEVER
    match = re.match(r"(\d+)(?:(\+)|-(\d+))?$", text)
    if not match:
        raise SchemaError(f"{where}: '{text}' is no version range: N, N+, N-M or none")
    low = int(match.group(1))
    high = FOREVER if match.group(2) else int(match.group(3) or low)
    if high < low or low > FOREVER:
        raise SchemaError(f"{where}: the version range '{text}' is empty")
    return low, high


def parse(path):
    """The File at `path`."""
    stem = re.sub(r"^\d+_", "", path.name)
    parser = _Parser(File(path, stem))
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        parser.line(line, f"{path.name}:{number}")
    return parser.finish()


class _Parser:
    def __init__(self, file):
        self.file = file
        self.api = None      # (versions, flexible) of the api line
        self.message = None
        self.named = {}      # structs of this message
        self.stack = []      # (indent, Struct) that lines below may extend

    def line(self, line, where):
        if "\t" in line:
            raise SchemaError(f"{where}: a tab; indent with spaces")
        text, _, about = line.partition("#")
        indent = len(text) - len(text.lstrip(" "))
        words = text.split()
        if not words:
            return
        if indent == 0:
            self.directive(words, where)
        else:
            self.field(indent, words, about.strip(), where)

    def directive(self, words, where):
        kind, rest = words[0], words[1:]
        if kind == "api" and len(rest) >= 3 and self.api is None:
            self.file.api_key, self.file.api_name = int(rest[0]), check_name(rest[1], where)
            self.api = self.valid(rest[2:], where)
        elif kind in ("request", "response") and self.api and not rest:
            self.begin(f"{self.file.api_name}_{kind}", f"{self.file.title} {kind}", *self.api)
        elif kind == "message" and len(rest) >= 2:
            name = check_name(rest[0], where)
            self.begin(name, camel(name), *self.valid(rest[1:], where))
        else:
            raise SchemaError(f"{where}: not understood here: {' '.join(words)}")

    @staticmethod
    def valid(words, where):
        versions = parse_versions(words[0], where)
        flexible = None
        if words[1:]:
            if len(words) != 3 or words[1] != "flexible":
                raise SchemaError(f"{where}: expected 'flexible N+', found {' '.join(words[1:])}")
            flexible = parse_versions(words[2], where)
            if flexible[1] != FOREVER:
                raise SchemaError(f"{where}: flexible versions have no end")
            flexible = flexible[0]
        if versions[1] == FOREVER or versions == NEVER:
            raise SchemaError(f"{where}: valid versions have a beginning and an end")
        return versions, flexible

    def begin(self, name, title, versions, flexible):
        self.message = Message(name, title, versions, flexible)
        self.file.messages.append(self.message)
        self.named = {}
        self.stack = [(0, self.message.root)]

    def new_struct(self, name, where):
        if name in self.named:
            raise SchemaError(f"{where}: a second struct '{name}' in this message")
        self.named[name] = Struct(name)
        return self.named[name]

    def field(self, indent, words, about, where):
        if not self.message:
            raise SchemaError(f"{where}: a field outside of a message")
        while self.stack and self.stack[-1][0] >= indent:
            self.stack.pop()
        if not self.stack or indent != self.stack[-1][0] + 2:
            raise SchemaError(f"{where}: indentation of {indent} spaces fits nothing above")
        owner = self.stack[-1][1]
        if words[0] == "struct" and len(words) == 2:
            self.stack.append((indent, self.new_struct(check_name(words[1], where), where)))
            return
        if len(words) < 3:
            raise SchemaError(f"{where}: a field needs name, type and versions")
        name, kind = check_name(words[0], where), words[1]
        if any(field.name == name for field in owner.fields):
            raise SchemaError(f"{where}: a second field '{name}'")
        field = Field(name, kind.removeprefix("[]"), parse_versions(words[2], where), where)
        field.array, field.about = kind.startswith("[]"), about
        if field.kind not in SCALARS:
            known = self.named.get(check_name(field.kind, where))
            field.struct = known or self.new_struct(field.kind, where)
            if not known:
                self.stack.append((indent, field.struct))
        self.attributes(field, words[3:])
        owner.fields.append(field)

    @staticmethod
    def attributes(field, words):
        words = list(words)
        while words:
            word = words.pop(0)
            try:
                if word == "ignorable":
                    field.ignorable = True
                elif word == "rigid":
                    field.rigid = True
                elif word == "null":
                    field.nullable = parse_versions(words.pop(0), field.where)
                elif word == "=":
                    field.default, field.has_default = parse_default(field, words.pop(0)), True
                elif word == "tag":
                    field.tag = int(words.pop(0))
                    field.tagged = parse_versions(words.pop(0), field.where)
                else:
                    raise SchemaError(f"{field.where}: unknown attribute '{word}'")
            except (IndexError, ValueError):
                raise SchemaError(f"{field.where}: '{word}' lacks what belongs behind it") from None
        if not field.has_default:
            field.default = implicit_default(field)

    def finish(self):
        if self.api and [m.name.rpartition("_")[2] for m in self.file.messages] != ["request", "response"]:
            raise SchemaError(f"{self.file.path.name}: an api has one request and then one response")
        for message in self.file.messages:
            _collect(message.root, message)
            for struct in message.structs:
                _check(struct, message)
        return self.file


def check_name(name, where):
    if not NAME.match(name):
        raise SchemaError(f"{where}: '{name}' is no lower_case_name")
    return name


def implicit_default(field):
    """What a field without '=' holds: nothing, in the way of its type; records are null."""
    if field.array or field.kind in ("string", "bytes"):
        return ""
    if field.kind == "records":
        return None
    if field.kind == "bool":
        return False
    return 0 if field.kind in SCALARS else ""


def parse_default(field, text):
    where = field.where
    if text == "null":
        if field.nullable == NEVER:
            raise SchemaError(f"{where}: '= null' for what is never null")
        return None
    if field.array or field.struct or field.kind in ("string", "bytes", "records", "uuid"):
        raise SchemaError(f"{where}: a {field.kind} has the default null or nothing at all")
    if field.kind == "bool":
        if text not in ("true", "false"):
            raise SchemaError(f"{where}: '{text}' is neither true nor false")
        return text == "true"
    value = int(text, 0)
    bits = LIMITS.get(field.kind)
    low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if bits else (0, 65535 if field.kind == "uint16" else 1 << 31)
    if not low <= value <= high:
        raise SchemaError(f"{where}: {value} does not fit in {field.kind}")
    return value


def _collect(struct, message):
    """Lists the structs of a message, inner ones first."""
    for field in struct.fields:
        if field.struct and field.struct not in message.structs:
            _collect(field.struct, message)
    if struct not in message.structs:
        message.structs.append(struct)


def _check(struct, message):
    if not struct.fields:
        raise SchemaError(f"{message.name}: struct '{struct.name}' has no fields")
    for field in struct.fields:
        if field.nullable != NEVER and not (field.array or field.struct or field.kind in ("string", "bytes", "records")):
            raise SchemaError(f"{field.where}: a {field.kind} is never null")
        if field.is_pointer() and field.default is not None:
            raise SchemaError(f"{field.where}: a struct that may be null has the default null: '= null'")
        if field.tag is not None:
            if message.flexible is None or field.tagged[0] < message.flexible:
                raise SchemaError(f"{field.where}: tagged in versions that are not flexible")
        if field.array:
            for version in range(message.versions[0], message.versions[1] + 1):
                if contains(field.versions, version) and element_min_size(field, message, version) == 0:
                    raise SchemaError(f"{field.where}: in version {version} an element takes no bytes")
    tags = sorted(field.tag for field in struct.fields if field.tag is not None)
    if len(set(tags)) != len(tags):
        raise SchemaError(f"{message.name}: a tag is used twice in '{struct.name}'")


def min_size(struct, message, version):
    """Least bytes that the struct takes in a version: what bounds the count of an array before it is allocated."""
    total = 1 if message.is_flexible(version) else 0
    for field in struct.fields:
        if contains(field.versions, version) and not contains(field.tagged, version):
            total += field_min_size(field, message, version)
    return total


def field_min_size(field, message, version):
    flexible = message.is_flexible(version) and not field.rigid
    if field.array:
        return 1 if flexible else 4
    return element_min_size(field, message, version)


def element_min_size(field, message, version):
    flexible = message.is_flexible(version) and not field.rigid
    if field.struct:
        if not field.array and contains(field.nullable, version):
            return 1
        return min_size(field.struct, message, version)
    size = SCALARS[field.kind][1]
    if size is None:
        return 1 if flexible else 2 if field.kind == "string" else 4
    return size
