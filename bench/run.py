#!/usr/bin/env python3
"""Compares kafka-c with other clients: the same workload for each, one after the other, round by round, medians.

    run.py                   against the sink: CPU, latency, memory, system calls, next to librdkafka, with ratios
    run.py count             user instructions per message, by callgrind
    run.py broker            messages per second against the Kafka at BENCH_BROKER, next to librdkafka, Java, franz-go
                             and kafka-go
    run.py targets FILE...   one table of all targets, of runs that wrote these files with --json

    --build DIR       where the programs are, build/release unless told
    --rounds N        9 unless told (3 with a broker, 2 for counts, which hardly vary)
    --rows PATTERN    only rows whose name matches
    --json FILE       the figures and targets, for later

A round runs every row once with every client, the order turned round from one to the next, so that what disturbs the
machine disturbs all of them. A ratio is the median of the rounds' ratios. What start-up costs is no part of any figure:
it lies before the clock, or is the same in two runs of different length whose difference is divided. A client or a tool
that is not there has no figures: "not run". Nothing here fails for being slow; a client that loses a message ends it.
"""
import argparse
import itertools
import json
import os
import re
import signal
import sys

from clients import ROOT, Sink, c_clients, go_peers, instructions, java_peers, run, system_calls, tool_misses
from figures import Figures, Target, number, print_table, ratio_table, target_table


class Row:
    def __init__(self, name, options, messages, target=None, acks=("one", "all"), per="message"):
        self.name, self.options, self.messages = name, options.split(), messages
        self.target, self.acks, self.per = target, acks, per


# Targets are ratios to librdkafka, at most.
LOAD = [
    Row("100 B", "--size 100", 3000000, 0.15),
    Row("100 B, 64 a call", "--size 100 --per-call 64", 3000000, 0.15),
    Row("1 KB", "--size 1024", 500000, 0.45),
    Row("100 B, 16 B key, 12 partitions", "--topic load12 --size 100 --key 16", 1500000, 0.15),
    Row("1 KB, 16 B key, 12 partitions", "--topic load12 --size 1024 --key 16", 500000, 0.35),
    Row("100 B, 1000 partitions", "--topic load1000 --size 100 --spread 1000", 400000),
    Row("1 KB, lz4", "--size 1024 --codec lz4", 250000, 0.75),
    Row("1 KB, zstd", "--size 1024 --codec zstd", 150000, 0.85),
    Row("100 B, four threads", "--size 100 --threads 4", 3000000),
]
LONE = Row("lone message", "--mode lone --size 100 --warm 500", 3000, 0.9)
HELD = [
    Row("100 B", "--mode held --topic held --size 100", 1000000, 0.45),
    Row("1 KB", "--mode held --topic held --size 1024", 200000, 0.90),
]
HELD_FROM = 4        # part of them in the shorter run: by then a client has found the sizes that it works with
COUNT = [
    Row("100 B", "--size 100", 100000, 0.15),
    Row("100 B, 64 a call", "--size 100 --per-call 64", 100000, 0.15),
    Row("1 KB", "--size 1024", 60000, 0.25),
    Row("100 B, 16 B key, 12 partitions", "--topic load12 --size 100 --key 16", 100000, 0.20),
]
COUNT_FROM = 20000   # messages of the shorter run
COUNT_DELAY_US = 10000  # valgrind slows a client fifty times down: a sink as quick as ever would make its batches tiny
CALLS_FROM, CALLS_TO = 200, 1200
CALLS_DELAY_US = 1000  # under strace an answer must not come while the request's own call still lasts
CALLS_TARGET = 6
BATCH_ROWS, BATCH_KIB = LOAD[:5], 64  # asynchronous load without a codec
GROWTH_TARGET = 1.3
SCALES_TARGET = 1.0
BROKER = [
    Row("100 B, 1 partition", "--size 100", 1000000),
    Row("1 KB, 1 partition", "--size 1024", 200000),
    Row("100 B, 16 B key, 12 partitions", "--size 100 --key 16", 1000000),
    Row("1 KB, 16 B key, 12 partitions", "--size 1024 --key 16", 200000),
]


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


def measure_load(args, clients, rows, targets):
    """CPU, throughput and the size of batches."""
    cpu, rate, size, bounds = Figures(), Figures(), Figures(), {}
    with Sink(args.build) as sink:
        for row, acks, client in rounds_of(args.rounds, rows, clients):
            sink.counts()
            got, came = client.measure(sink.address, row, acks), sink.counts()
            figure = (row.name, acks)
            bounds[figure] = row.target
            cpu.add(figure, client.name, got["cpu"] / row.messages * 1e9)
            rate.add(figure, client.name, row.messages / got["seconds"] / 1000)
            size.add(figure, client.name, came["bytes"] / max(came["batches"], 1) / 1024)
    ratio_table("CPU, ns a message", cpu, bounds, targets)
    ratio_table("thousand messages a second", rate, {}, targets)
    ratio_table("mean batch, KiB", size, {}, targets)
    for row, acks in itertools.product([r for r in rows if r in BATCH_ROWS], ("one", "all")):
        kib = size.median((row.name, acks), "kafka-c")
        targets.append(Target(f"mean batch under load, KiB: {row.name}", acks, kib, BATCH_KIB, least=True, kafka=kib))
    for acks in ("one", "all"):
        one, four = (rate.values.get((name, acks), {}).get("kafka-c") for name in ("100 B", "100 B, four threads"))
        if one and four:
            scales = Figures()
            for name, values in (("one", one), ("four", four)):
                for value in values:
                    scales.add("rate", name, value)
            targets.append(Target("thousand messages a second: four threads", acks, scales.ratio("rate", "four", "one"),
                                  SCALES_TARGET, least=True, kafka=scales.median("rate", "four"),
                                  other=scales.median("rate", "one"), beside="one thread"))
    return {"cpu": cpu, "rate": rate, "batch": size}


def measure_growth(args, kafka, load, targets):
    """Cost of a message on 1000 partitions, on 100 and on one, whose batches are made as small as those of the 1000.
    With one a request holds a single such batch, which is dear: the 100 tell more of what partitions cost."""
    figures = Figures()
    spread = next(r for r in LOAD if "1000" in r.name)
    with Sink(args.build) as sink:
        for acks in spread.acks:
            kib = load["batch"].median((spread.name, acks), "kafka-c")
            if kib is None:
                continue
            small = f"--size 100 --batch-bytes {int(kib * 1024)}"
            rows = (("1", Row("1 partition", small, spread.messages)), ("1000", spread),
                    ("100", Row("100 partitions", f"{small} --topic load100 --spread 100", spread.messages)))
            for _, (name, row) in itertools.product(range(args.rounds), rows):
                got = kafka.measure(sink.address, row, acks)
                figures.add((f"{kib:.1f} KiB a batch", acks), name, got["cpu"] / row.messages * 1e9)
    for figure in figures.values:
        for few, beside in (("1", "one partition"), ("100", "100 partitions")):
            targets.append(Target("CPU, ns a message: 1000 partitions, equal batches", figure[1],
                                  figures.ratio(figure, "1000", few), GROWTH_TARGET,
                                  kafka=figures.median(figure, "1000"), other=figures.median(figure, few),
                                  beside=beside))
    lines = [[*f, *(number(figures.median(f, n)) for n in ("1", "100", "1000"))] for f in figures.values]
    if lines:
        print_table(["kafka-c, CPU, ns a message", "acks", "1 partition", "100 partitions", "1000 partitions"], lines)
    return figures


def measure_lone(args, clients, targets):
    figures, bounds = Figures(), {}
    with Sink(args.build) as sink:
        for row, acks, client in rounds_of(args.rounds, [LONE], clients):
            sink.counts()
            got, came = client.measure(sink.address, row, acks), sink.counts()
            for figure in ("p50_us", "p99_us"):
                name = (figure.replace("_us", ", us"), acks)
                bounds[name] = row.target
                figures.add(name, client.name, got[figure])
            figures.add(("CPU, us", acks), client.name, got["cpu"] / row.messages * 1e6)
            figures.add(("records a batch", acks), client.name, came["records"] / max(came["batches"], 1))
    ratio_table("lone message", figures, bounds, targets)
    for acks in LONE.acks:
        records = figures.median(("records a batch", acks), "kafka-c")
        targets.append(Target("lone message: records a batch", acks, records, 1, kafka=records))
    return figures


def measure_held(args, clients, targets):
    figures, bounds, title = Figures(), {}, "bytes held for an unacknowledged message"
    with Sink(args.build) as sink:
        for row, acks, client in rounds_of(min(args.rounds, 5), HELD, clients):
            first = row.messages // HELD_FROM
            few, many = (client.measure(sink.address, row, acks, n)["rss"] for n in (first, row.messages))
            bounds[(row.name, acks)] = row.target
            figures.add((row.name, acks), client.name, (many - few) / (row.messages - first))
    ratio_table(title, figures, bounds, targets)
    return figures


def measure_calls(args, clients, targets):
    figures, title, why = Figures(), "system calls", tool_misses("strace")
    if not why:
        with Sink(args.build, "--delay-us", str(CALLS_DELAY_US)) as sink:
            for row, acks, client in rounds_of(min(args.rounds, 3), [LONE], clients):
                few, many = (system_calls(client.command(sink.address, row, acks, n)) for n in (CALLS_FROM, CALLS_TO))
                figures.add(("a lone message", acks), client.name, (many - few) / (CALLS_TO - CALLS_FROM))
    for acks in LONE.acks:
        calls = figures.median(("a lone message", acks), "kafka-c")
        targets.append(Target("system calls: a lone message", acks, calls, CALLS_TARGET, kafka=calls, why=why))
    if why:
        print(f"{title} of a lone message: not run, {why}\n")
    else:
        ratio_table(title, figures, {}, targets)
    return figures


def sink_tables(args, wanted, targets):
    clients, rows = c_clients(args.build), [r for r in LOAD if wanted(r)]
    result = {}
    print(f"# produce, against the sink; {args.rounds} rounds, medians; acks one, or all with idempotence\n")
    if rows:
        result.update(measure_load(args, clients, rows, targets))
        kafka = [c for c in clients if c.name == "kafka-c"]
        if kafka and any("1000" in r.name for r in rows):
            result["growth"] = measure_growth(args, kafka[0], result, targets)
    if wanted(LONE):
        result["lone"] = measure_lone(args, clients, targets)
        result["calls"] = measure_calls(args, clients, targets)
    if args.rows == "":
        result["held"] = measure_held(args, clients, targets)
    return result


# ---- instructions ---------------------------------------------------------------------------------------------------


def count_tables(args, wanted, targets):
    figures, bounds, why = Figures(), {}, tool_misses("valgrind")
    title, rows = "instructions a message", [r for r in COUNT if wanted(r)]
    print(f"# user instructions a message, produce, against the sink; {args.rounds} rounds, medians\n")
    if why:
        print(f"not run: {why}\n")
        for row, acks in itertools.product(rows, ("one", "all")):
            targets.append(Target(f"{title}: {row.name}", acks, None, row.target, why=why))
        return {}
    clients = c_clients(args.build)
    with Sink(args.build, "--delay-us", str(COUNT_DELAY_US)) as sink:
        for row, acks, client in rounds_of(args.rounds, rows, clients):
            few, many = (instructions(client.command(sink.address, row, acks, n))
                         for n in (COUNT_FROM, row.messages))
            bounds[(row.name, acks)] = row.target
            figures.add((row.name, acks), client.name, (many - few) / (row.messages - COUNT_FROM))
    ratio_table(title, figures, bounds, targets)
    return {"instructions": figures}


# ---- against a Kafka ------------------------------------------------------------------------------------------------


class Topics:
    """A fresh topic for every run, deleted behind it: a node that keeps its data in memory would else fill that with
    what all the runs have written, tens of gigabytes, and slow down."""

    def __init__(self, args, broker):
        self.kc, self.broker, self.made, self.mark = f"{args.build}/cli/kc", broker, 0, os.getpid()

    def measure(self, client, row, acks):
        self.made += 1
        topic = f"bench-{self.mark}-{self.made}"
        partitions = re.search(r"([0-9]+) partition", row.name)
        run([self.kc, "topics", "create", topic, "-b", self.broker, "-p", partitions.group(1) if partitions else "1",
             "--config", "file.delete.delay.ms=0"])
        try:
            return client.measure(self.broker, row, acks, None, "--topic", topic)
        finally:
            run([self.kc, "topics", "delete", topic, "-b", self.broker])


def broker_tables(args, wanted, targets):
    broker = os.environ.get("BENCH_BROKER")
    if not broker:
        sys.exit("run.py: BENCH_BROKER=host:port says which Kafka; tests/kafka/kafka.sh start gives you one")
    names = ["kafka-c", "librdkafka", "Java", "franz-go", "kafka-go"]
    clients = c_clients(args.build) + java_peers() + go_peers(args.build)
    figures, lone, topics = Figures(), Figures(), Topics(args, broker)
    for row, acks, client in rounds_of(args.rounds, [r for r in BROKER if wanted(r)], clients):
        got = topics.measure(client, row, acks)
        figures.add((row.name, acks), client.name, row.messages / got["seconds"] / 1000)
    for row, acks, client in rounds_of(min(args.rounds, 3), [LONE] if wanted(LONE) else [],
                                       [c for c in clients if c.name in names[:2]]):
        got = topics.measure(client, row, acks)
        for figure in ("p50_us", "p99_us"):
            lone.add((figure.replace("_us", ", us"), acks), client.name, got[figure])
    print(f"# thousand messages a second, produce, against Apache Kafka at {broker}; {args.rounds} rounds, medians")
    print("# acks one, or all with idempotence (kafka-go has none: acks all); Java's program writes no keys\n")
    print_table(["workload", "acks", *names],
                [[*f, *(number(figures.median(f, n)) for n in names)] for f in figures.values])
    ratio_table("lone message, Apache Kafka", lone, {}, targets)
    return {"broker": figures, "broker_lone": lone}


# ---- the program ----------------------------------------------------------------------------------------------------


def show_targets(files):
    targets = []
    for name in files:
        with open(name, encoding="utf-8") as file:
            targets += [Target(**t) for t in json.load(file)["targets"]]
    target_table(targets)


def write_json(name, result, targets):
    every = {name: [[*f, c, v] for f, by in figures.values.items() for c, v in by.items()]
             for name, figures in result.items()}
    with open(name, "w", encoding="utf-8") as out:
        json.dump({**every, "targets": [vars(t) for t in targets]}, out, indent=1)


def warn_of_load():
    """Ratios bear others on the machine, rates and latencies do not."""
    load, cores = os.getloadavg()[0], os.cpu_count() or 1
    if load > cores / 2:
        print(f"# others are busy on this machine (load {load:.1f}, {cores} cores): believe ratios and counts only\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="?", default="sink", choices=["sink", "count", "broker", "targets"])
    parser.add_argument("files", nargs="*")
    parser.add_argument("--build", default=f"{ROOT}/build/release")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--rows", default="")
    parser.add_argument("--json")
    args = parser.parse_args()
    for ends in (signal.SIGTERM, signal.SIGHUP):  # as an exception, so that what runs now is ended, too
        signal.signal(ends, lambda number, _: sys.exit(128 + number))
    if args.what == "targets":
        show_targets(args.files)
        return
    args.rounds = args.rounds or {"sink": 9, "broker": 3, "count": 2}[args.what]

    def wanted(row):
        return re.search(args.rows, row.name) is not None

    targets = []
    warn_of_load()
    result = {"sink": sink_tables, "count": count_tables, "broker": broker_tables}[args.what](args, wanted, targets)
    if args.json:
        write_json(args.json, result, targets)
    elif targets:
        target_table(targets)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
