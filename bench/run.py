#!/usr/bin/env python3
"""Compares kafka-c with other clients: the same workload for each, one after the other, round by round, medians.

    run.py            against the sink: CPU, latency, memory, system calls, next to librdkafka, with ratios and targets
    run.py count      user instructions per message, by callgrind
    run.py broker     messages per second against the Kafka at BENCH_BROKER, next to librdkafka, Java, franz-go and kafka-go

    --build DIR       where the programs are, build/release unless told
    --rounds N        9 unless told (3 for count)
    --rows PATTERN    only rows whose name matches
    --json FILE       the figures, for later

A round runs every row once with every client, the order turned round from one to the next, so that what disturbs the
machine disturbs all of them. A ratio is the median of the rounds' ratios. What start-up costs is no part of any figure: it
lies before the clock, or is the same in two runs of different length whose difference is divided. A client that is not
there has no figures: "not run". Nothing here fails for being slow; a client that loses a message ends it.
"""
import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
RUN_TIMEOUT = 300


class Row:
    def __init__(self, name, options, messages, target=None, acks=("one", "all"), per="message"):
        self.name, self.options, self.messages = name, options.split(), messages
        self.target, self.acks, self.per = target, acks, per


# Targets are ratios to librdkafka; PERFORMANCE figures of the project's issue on the Writer.
LOAD = [
    Row("100 B", "--size 100", 1000000, 0.15),
    Row("100 B, 64 a call", "--size 100 --per-call 64", 1000000, 0.15),
    Row("1 KB", "--size 1024", 200000, 0.45),
    Row("100 B, 16 B key, 12 partitions", "--topic load12 --size 100 --key 16", 600000, 0.15),
    Row("1 KB, 16 B key, 12 partitions", "--topic load12 --size 1024 --key 16", 200000, 0.35),
    Row("100 B, 1000 partitions", "--topic load1000 --size 100 --spread 1000", 400000, 0.15),
    Row("1 KB, lz4", "--size 1024 --codec lz4", 100000, 0.75),
    Row("1 KB, zstd", "--size 1024 --codec zstd", 60000, 0.85),
    Row("100 B, four threads", "--size 100 --threads 4", 1000000, 0.15),
]
LONE = Row("lone message", "--mode lone --size 100 --warm 500", 3000, 0.9)
HELD = [
    Row("100 B", "--mode held --topic held --size 100", 200000, 0.45),
    Row("1 KB", "--mode held --topic held --size 1024", 60000, 0.90),
]
COUNT = [
    Row("100 B", "--size 100", 100000, 0.15),
    Row("100 B, 64 a call", "--size 100 --per-call 64", 100000, 0.15),
    Row("1 KB", "--size 1024", 60000, 0.25),
    Row("100 B, 16 B key, 12 partitions", "--topic load12 --size 100 --key 16", 100000, 0.20),
]
COUNT_FROM = 20000   # messages of the shorter run
HELD_FROM = 20000
CALLS_FROM, CALLS_TO = 200, 1200
CALLS_DELAY_US = 1000  # under strace an answer must not come while the request's own call still lasts
CALLS_TARGET = 6
BROKER = [
    Row("100 B, 1 partition", "--topic bench1 --size 100", 1000000),
    Row("1 KB, 1 partition", "--topic bench1 --size 1024", 200000),
    Row("100 B, 16 B key, 12 partitions", "--topic bench12 --size 100 --key 16", 1000000),
    Row("1 KB, 16 B key, 12 partitions", "--topic bench12 --size 1024 --key 16", 200000),
]


# ---- running --------------------------------------------------------------------------------------------------------


def fields(line):
    return {k: float(v) for k, v in (word.split("=") for word in line.split())}


def run(command, env=None):
    """The standard output and error of a command, which must succeed."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=RUN_TIMEOUT, env=env, check=False)
    if done.returncode != 0:
        sys.exit(f"run.py: {' '.join(command)}\n{done.stderr}run.py: exited with {done.returncode}")
    return done.stdout, done.stderr


class Sink:
    def __init__(self, build, *options):
        self.process = subprocess.Popen([f"{build}/bench/bench_sink", *options], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.address = self.process.stdout.readline().strip()

    def counts(self):
        """What came in since the last call."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return fields(self.process.stdout.readline())

    def stop(self):
        self.process.stdin.close()
        self.process.wait(RUN_TIMEOUT)


class Client:
    """A program that takes the options of bench/workload.h."""

    def __init__(self, name, program):
        self.name, self.program = name, program

    def command(self, broker, row, acks, messages, *more):
        return [self.program, "--broker", broker, "--acks", acks, "--messages", str(messages), *row.options, *more]

    def measure(self, broker, row, acks, messages=None, *more):
        out, err = run(self.command(broker, row, acks, messages or row.messages, *more))
        figures = fields(out.splitlines()[-1])
        if figures["failed"]:
            sys.exit(f"run.py: {self.name}, {row.name}: {figures['failed']:.0f} messages failed\n{err}")
        return figures


class Java(Client):
    """ProducerPerformance of the jars that tests/kafka/kafka.sh keeps."""

    def measure(self, broker, row, acks, messages=None, *more):
        option = dict(zip(row.options[::2], row.options[1::2]))
        warm = row.messages // 2  # until the JVM has compiled what it runs; not counted
        out, _ = run([f"{ROOT}/tests/kafka/kafka.sh", "run", "org.apache.kafka.tools.ProducerPerformance",
                      "--bootstrap-server", broker, "--topic", option["--topic"], "--record-size", option["--size"],
                      "--num-records", str(row.messages + warm), "--warmup-records", str(warm), "--throughput", "-1",
                      "--command-property", "acks=" + ("all" if acks == "all" else "1"),
                      "enable.idempotence=" + ("true" if acks == "all" else "false"),
                      "linger.ms=5", "batch.size=1000000", "buffer.memory=67108864"])
        rates = [line for line in out.splitlines() if "records/sec" in line and "steady" in line and "99.9th" in line]
        return {"seconds": row.messages / float(re.search(r"([0-9.]+) records/sec", rates[-1]).group(1))}


def present(clients):
    return [c for c in clients if os.access(c.program, os.X_OK)]


def c_clients(build):
    return [Client("kafka-c", f"{build}/bench/produce_kafka"), Client("librdkafka", f"{build}/bench/produce_rdkafka")]


# ---- figures --------------------------------------------------------------------------------------------------------


class Figures:
    """figure -> client -> one value a round, in the order in which the figures first came."""

    def __init__(self):
        self.values = {}

    def add(self, figure, client, value):
        self.values.setdefault(figure, {}).setdefault(client, []).append(value)

    def median(self, figure, client):
        values = self.values.get(figure, {}).get(client)
        return statistics.median(values) if values else None

    def ratio(self, figure, client, other):
        mine, theirs = (self.values.get(figure, {}).get(c) for c in (client, other))
        if not mine or not theirs:
            return None
        return statistics.median(a / b for a, b in zip(mine, theirs) if b)


def number(value):
    if value is None:
        return "not run"
    return f"{value:,.0f}".replace(",", " ") if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def print_table(head, lines):
    widths = [max(len(str(line[i])) for line in [head, *lines]) for i in range(len(head))]
    for line in [head, *lines]:
        cells = [str(c).ljust(w) if i < 2 else str(c).rjust(w) for i, (c, w) in enumerate(zip(line, widths))]
        print("  ".join(cells).rstrip())
    print(flush=True)


def verdict(value, target):
    if value is None or target is None:
        return ""
    return f"{target:g}: " + ("met" if round(value, 2) <= target else "MISSED")


def ratio_table(title, figures, targets):
    """One line a figure, kafka-c next to librdkafka."""
    lines = []
    for figure in figures.values:
        ratio = figures.ratio(figure, "kafka-c", "librdkafka")
        lines.append([*figure, number(figures.median(figure, "kafka-c")), number(figures.median(figure, "librdkafka")),
                      "" if ratio is None else f"{ratio:.2f}", verdict(ratio, targets.get(figure))])
    print_table([title, "acks", "kafka-c", "librdkafka", "ratio", "target"], lines)


def rounds_of(count, rows, clients):
    """Each row with each client, `count` times, the clients in turn first."""
    for i in range(count):
        if sys.stderr.isatty():
            print(f"\rround {i + 1} of {count} ", end="", file=sys.stderr, flush=True)
        for row in rows:
            for acks in row.acks:
                for client in clients if i % 2 == 0 else reversed(clients):
                    yield row, acks, client
    if sys.stderr.isatty():
        print("\r" + " " * 30 + "\r", end="", file=sys.stderr, flush=True)


# ---- against the sink -----------------------------------------------------------------------------------------------


def measure_load(args, clients, rows):
    """CPU, throughput and the size of batches."""
    cpu, rate, size, targets = Figures(), Figures(), Figures(), {}
    sink = Sink(args.build)
    for row, acks, client in rounds_of(args.rounds, rows, clients):
        sink.counts()
        got, came = client.measure(sink.address, row, acks), sink.counts()
        figure = (row.name, acks)
        targets[figure] = row.target
        cpu.add(figure, client.name, got["cpu"] / row.messages * 1e9)
        rate.add(figure, client.name, row.messages / got["seconds"] / 1000)
        size.add(figure, client.name, came["bytes"] / max(came["batches"], 1) / 1024)
    sink.stop()
    ratio_table("CPU, ns a message", cpu, targets)
    ratio_table("thousand messages a second", rate, {})
    ratio_table("mean batch, KiB", size, {})
    return {"cpu": cpu, "rate": rate, "batch": size}


def measure_growth(args, kafka, load):
    """Cost of a message on 1000 partitions and on 100, whose batches are made as small as those of the 1000: with as few
    as one partition a request would hold a single such batch, and what requests cost is another matter."""
    figures, sink = Figures(), Sink(args.build)
    spread = next(r for r in LOAD if "1000" in r.name)
    for acks in spread.acks:
        kib = load["batch"].median((spread.name, acks), "kafka-c")
        if kib is None:
            continue
        few = Row("100 partitions", f"--topic load100 --size 100 --spread 100 --batch-bytes {int(kib * 1024)}", spread.messages)
        for _ in range(args.rounds):
            for row, name in ((few, "100"), (spread, "1000")):
                got = kafka.measure(sink.address, row, acks)
                figures.add((f"{kib:.1f} KiB a batch", acks), name, got["cpu"] / row.messages * 1e9)
    sink.stop()
    lines = []
    for figure in figures.values:
        ratio = figures.ratio(figure, "1000", "100")
        lines.append([*figure, number(figures.median(figure, "1000")), number(figures.median(figure, "100")), f"{ratio:.2f}",
                      verdict(ratio, 1.3)])
    if lines:
        print_table(["kafka-c, CPU, ns a message", "acks", "1000 partitions", "100 partitions", "ratio", "target"], lines)
    return figures


def measure_lone(args, clients):
    figures, targets, sink = Figures(), {}, Sink(args.build)
    for row, acks, client in rounds_of(args.rounds, [LONE], clients):
        sink.counts()
        got, came = client.measure(sink.address, row, acks), sink.counts()
        for figure in ("p50_us", "p99_us"):
            name = (figure.replace("_us", ", us"), acks)
            targets[name] = row.target
            figures.add(name, client.name, got[figure])
        figures.add(("CPU, us", acks), client.name, got["cpu"] / row.messages * 1e6)
        figures.add(("records a batch", acks), client.name, came["records"] / max(came["batches"], 1))
    sink.stop()
    ratio_table("lone message", figures, targets)
    return figures


def measure_held(args, clients):
    figures, targets, sink = Figures(), {}, Sink(args.build)
    for row, acks, client in rounds_of(min(args.rounds, 5), HELD, clients):
        few, many = (client.measure(sink.address, row, acks, n)["rss"] for n in (HELD_FROM, row.messages))
        targets[(row.name, acks)] = row.target
        figures.add((row.name, acks), client.name, (many - few) / (row.messages - HELD_FROM))
    sink.stop()
    ratio_table("bytes held for an unacknowledged message", figures, targets)
    return figures


def system_calls(command):
    """How many a command makes, by strace."""
    with tempfile.NamedTemporaryFile("r") as log:
        run(["strace", "-f", "-c", "-o", log.name, *command])
        total = [line.split() for line in log.read().splitlines() if line.endswith(" total")]
    return int(total[-1][3])


def measure_calls(args, clients):
    if not shutil.which("strace"):
        print("system calls of a lone message: not run, strace is missing\n")
        return Figures()
    figures, sink = Figures(), Sink(args.build, "--delay-us", str(CALLS_DELAY_US))
    for row, acks, client in rounds_of(min(args.rounds, 3), [LONE], clients):
        few, many = (system_calls(client.command(sink.address, row, acks, n)) for n in (CALLS_FROM, CALLS_TO))
        figures.add(("a lone message", acks), client.name, (many - few) / (CALLS_TO - CALLS_FROM))
    sink.stop()
    lines = [[*f, number(figures.median(f, "kafka-c")), number(figures.median(f, "librdkafka")),
              verdict(figures.median(f, "kafka-c"), CALLS_TARGET)] for f in figures.values]
    print_table(["system calls", "acks", "kafka-c", "librdkafka", "target"], lines)
    return figures


def sink_tables(args, wanted):
    clients, rows = present(c_clients(args.build)), [r for r in LOAD if wanted(r)]
    result = {}
    print(f"# produce, against the sink; {args.rounds} rounds, medians; acks one, or all with idempotence\n")
    if rows:
        result.update(measure_load(args, clients, rows))
        kafka = [c for c in clients if c.name == "kafka-c"]
        if kafka and any("1000" in r.name for r in rows):
            result["growth"] = measure_growth(args, kafka[0], result)
    if wanted(LONE):
        result["lone"] = measure_lone(args, clients)
        result["calls"] = measure_calls(args, clients)
    if args.rows == "":
        result["held"] = measure_held(args, clients)
    return result


# ---- instructions ---------------------------------------------------------------------------------------------------


def instructions(command):
    _, err = run(["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", "--fair-sched=yes", *command])
    return int(re.search(r"Collected : ([0-9]+)", err).group(1))


def count_tables(args, wanted):
    if not shutil.which("valgrind"):
        sys.exit("run.py: valgrind is missing; on Debian: apt-get install valgrind")
    figures, targets, sink = Figures(), {}, Sink(args.build)
    clients = present(c_clients(args.build))
    print(f"# user instructions a message, produce, against the sink; {args.rounds} rounds, medians\n")
    for row, acks, client in rounds_of(args.rounds, [r for r in COUNT if wanted(r)], clients):
        few, many = (instructions(client.command(sink.address, row, acks, n)) for n in (COUNT_FROM, row.messages))
        targets[(row.name, acks)] = row.target
        figures.add((row.name, acks), client.name, (many - few) / (row.messages - COUNT_FROM))
    sink.stop()
    ratio_table("instructions a message", figures, targets)
    return {"instructions": figures}


# ---- against a Kafka ------------------------------------------------------------------------------------------------


def build_go_peers(build):
    """The programs of bench/peers, where there is a Go that builds them."""
    if not shutil.which("go"):
        return []
    done = subprocess.run(["go", "build", "-buildvcs=false", "-o", f"{build}/bench/", "./..."], cwd=f"{HERE}/peers", capture_output=True, text=True,
                          check=False)
    if done.returncode != 0:
        print(f"bench/peers are not built: {done.stderr.strip().splitlines()[-1] if done.stderr else 'go build failed'}\n")
        return []
    return [Client("franz-go", f"{build}/bench/produce_franz"), Client("kafka-go", f"{build}/bench/produce_kafkago")]


def broker_tables(args, wanted):
    broker = os.environ.get("BENCH_BROKER")
    if not broker:
        sys.exit("run.py: BENCH_BROKER=host:port says which Kafka; tests/kafka/kafka.sh start gives you one")
    names = ["kafka-c", "librdkafka", "Java", "franz-go", "kafka-go"]
    clients = present(c_clients(args.build)) + build_go_peers(args.build)
    if shutil.which("java"):
        clients.append(Java("Java", f"{ROOT}/tests/kafka/kafka.sh"))
    kc = f"{args.build}/cli/kc"
    for topic, partitions in (("bench1", 1), ("bench12", 12)):
        run([kc, "topics", "create", topic, "-b", broker, "-p", str(partitions)])
    figures, lone = Figures(), Figures()
    for row, acks, client in rounds_of(args.rounds, [r for r in BROKER if wanted(r)], clients):
        got = client.measure(broker, row, acks)
        figures.add((row.name, acks), client.name, row.messages / got["seconds"] / 1000)
    for row, acks, client in rounds_of(min(args.rounds, 3), [LONE] if wanted(LONE) else [],
                                       [c for c in clients if c.name in names[:2]]):
        got = client.measure(broker, row, acks, None, "--topic", "bench1")
        for figure in ("p50_us", "p99_us"):
            lone.add((figure.replace("_us", ", us"), acks), client.name, got[figure])
    for topic in ("bench1", "bench12"):
        run([kc, "topics", "delete", topic, "-b", broker])
    print(f"# thousand messages a second, produce, against Apache Kafka at {broker}; {args.rounds} rounds, medians")
    print("# acks one, or all with idempotence (kafka-go has none: acks all); Java's ProducerPerformance writes no keys\n")
    print_table(["workload", "acks", *names], [[*f, *(number(figures.median(f, n)) for n in names)] for f in figures.values])
    ratio_table("lone message", lone, {})
    return {"broker": figures, "broker_lone": lone}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="?", default="sink", choices=["sink", "count", "broker"])
    parser.add_argument("--build", default=f"{ROOT}/build/release")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--rows", default="")
    parser.add_argument("--json")
    args = parser.parse_args()
    args.rounds = args.rounds or (3 if args.what in ("count", "broker") else 9)

    def wanted(row):
        return re.search(args.rows, row.name) is not None

    result = {"sink": sink_tables, "count": count_tables, "broker": broker_tables}[args.what](args, wanted)
    if args.json:
        with open(args.json, "w", encoding="utf-8") as out:
            json.dump({k: [[*f, c, v] for f, by in figures.values.items() for c, v in by.items()]
                       for k, figures in result.items()}, out, indent=1)


if __name__ == "__main__":
    main()
