"""Figures that were measured, the tables that show them, and what becomes of targets."""
import statistics


def number(value):
    if value is None:
        return "not run"
    return f"{value:,.0f}".replace(",", " ") if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def print_table(head, lines):
    """The first two columns and words are put to the left, numbers to the right."""
    widths = [max(len(str(line[i])) for line in [head, *lines]) for i in range(len(head))]
    for line in [head, *lines]:
        cells = [str(c).ljust(w) if i < 2 or h == "verdict" else str(c).rjust(w)
                 for i, (h, c, w) in enumerate(zip(head, line, widths))]
        print("  ".join(cells).rstrip())
    print(flush=True)


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
        """The median of the rounds' ratios: what disturbs a round disturbs both."""
        mine, theirs = (self.values.get(figure, {}).get(c) for c in (client, other))
        if not mine or not theirs:
            return None
        return statistics.median(a / b for a, b in zip(mine, theirs) if b)


class Target:
    """`value` is what has to be at most `bound`, or at least where `least`. None: it was not measured, `why` not."""

    def __init__(self, what, acks, value, bound, least=False, kafka=None, other=None, beside="librdkafka", why=""):
        self.what, self.acks, self.value, self.bound, self.least = what, acks, value, bound, least
        self.kafka, self.other, self.beside, self.why = kafka, other, beside, why

    def verdict(self):
        if self.value is None:
            return "not run" + (f": {self.why}" if self.why else "")
        return "met" if (self.value >= self.bound if self.least else self.value <= self.bound) else "MISSED"

    def wants(self):
        return f"{'>=' if self.least else '<='} {self.bound:g}"

    def line(self):
        """A row of the table: what the target is about is the ratio, or the figure alone."""
        alone = self.other is None
        return [self.what, self.acks, number(self.kafka), "" if alone else f"{number(self.other)} {self.beside}",
                "" if self.value is None or alone else f"{self.value:.3f}", self.wants(), self.verdict()]


def ratio_table(title, figures, bounds, targets):
    """One line a figure, kafka-c next to librdkafka. Those with a bound become targets."""
    lines = []
    for figure in figures.values:
        ratio = figures.ratio(figure, "kafka-c", "librdkafka")
        kafka, other = (figures.median(figure, client) for client in ("kafka-c", "librdkafka"))
        said = ""
        if bounds.get(figure) is not None:
            target = Target(f"{title}: {figure[0]}", figure[1], ratio, bounds[figure], kafka=kafka, other=other)
            targets.append(target)
            said = f"{target.wants()}: {target.verdict()}"
        lines.append([*figure, number(kafka), number(other), "" if ratio is None else f"{ratio:.3f}", said])
    print_table([title, "acks", "kafka-c", "librdkafka", "ratio", "target"], lines)


def target_table(targets):
    """All targets of a run, one line each."""
    met = sum(t.verdict() == "met" for t in targets)
    missed = sum(t.verdict() == "MISSED" for t in targets)
    print(f"# targets of the writer: {met} met, {missed} missed, {len(targets) - met - missed} not run\n")
    print_table(["figure", "acks", "kafka-c", "beside", "ratio", "target", "verdict"],
                [t.line() for t in targets])
