"""The programs that are compared, the broker that discards what it gets, and how a program's cost is counted.

Nothing of what is started here outlives run.py: programs end with the call that runs them, also by a signal (see main),
and the sink with its input."""
import os
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
RUN_TIMEOUT = 300


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

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(RUN_TIMEOUT)

    def counts(self):
        """What came in since the last call."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return fields(self.process.stdout.readline())


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
        options = [*row.options, *more]
        option = dict(zip(options[::2], options[1::2]))
        warm = row.messages // 2  # until the JVM has compiled what it runs; not counted
        out, _ = run([f"{ROOT}/tests/kafka/kafka.sh", "run", "org.apache.kafka.tools.ProducerPerformance",
                      "--bootstrap-server", broker, "--topic", option["--topic"], "--record-size", option["--size"],
                      "--num-records", str(row.messages + warm), "--warmup-records", str(warm), "--throughput", "-1",
                      "--command-property", "acks=" + ("all" if acks == "all" else "1"),
                      "enable.idempotence=" + ("true" if acks == "all" else "false"),
                      "linger.ms=5", "batch.size=1000000", "buffer.memory=67108864"])
        rates = [line for line in out.splitlines() if "records/sec" in line and "steady" in line and "99.9th" in line]
        return {"seconds": row.messages / float(re.search(r"([0-9.]+) records/sec", rates[-1]).group(1))}


def c_clients(build):
    """kafka-c, and librdkafka where its header was there when it was built."""
    every = [Client("kafka-c", f"{build}/bench/produce_kafka"), Client("librdkafka", f"{build}/bench/produce_rdkafka")]
    there = [c for c in every if os.access(c.program, os.X_OK)]
    for c in every:
        if c not in there:
            print(f"{c.name} is not run: {c.program} was not built" +
                  (" (on Debian: apt-get install librdkafka-dev)" if c.name == "librdkafka" else "") + "\n")
    return there


def go_peers(build):
    """The programs of bench/peers, where there is a Go that builds them."""
    names, why = ("franz-go", "kafka-go"), "go is missing"
    if shutil.which("go"):
        try:
            env = {**os.environ, "GOTOOLCHAIN": "local"}  # another toolchain is not fetched for this
            done = subprocess.run(["go", "build", "-buildvcs=false", "-o", f"{build}/bench/", "./..."],
                                  cwd=f"{HERE}/peers", env=env, capture_output=True, text=True, timeout=RUN_TIMEOUT,
                                  check=False)
            why = done.returncode and (done.stderr.strip() or "go build failed").splitlines()[-1]
        except subprocess.TimeoutExpired:
            why = f"go build took more than {RUN_TIMEOUT} s"
    if why:
        print(f"{' and '.join(names)} are not run: {why} (bench/peers takes Go 1.25 or later)\n")
        return []
    return [Client("franz-go", f"{build}/bench/produce_franz"), Client("kafka-go", f"{build}/bench/produce_kafkago")]


def java_peers():
    if not shutil.which("java"):
        print("Java is not run: java is missing\n")
        return []
    return [Java("Java", f"{ROOT}/tests/kafka/kafka.sh")]


# ---- counting -------------------------------------------------------------------------------------------------------


def tool_misses(tool):
    """Why a tool cannot be used, "" = it can."""
    return "" if shutil.which(tool) else f"{tool} is missing (on Debian: apt-get install {tool})"


def system_calls(command):
    """How many a command makes, by strace."""
    with tempfile.NamedTemporaryFile("r") as log:
        run(["strace", "-f", "-c", "-o", log.name, *command])
        total = [line.split() for line in log.read().splitlines() if line.endswith(" total")]
    return int(total[-1][3])


def instructions(command):
    """User instructions of a command, by callgrind."""
    _, err = run(["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", "--fair-sched=yes", *command])
    return int(re.search(r"Collected : ([0-9]+)", err).group(1))
