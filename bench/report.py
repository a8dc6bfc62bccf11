"""Tables, docs/performance.md and its plots, from the numbers of a run.

The numbers have the form that `bench/run --json` prints.
"""

import math
import statistics
from html import escape

import rows

PARTS = {
    "value": "Values",
    "array": "Arrays",
    "dict": "Dicts",
    "cache": "Dicts as caches",
    "list": "Lists",
    "queue": "Queues",
    "lock": "Locks",
    "semaphore": "Semaphores",
    "event": "Events",
    "barrier": "Barriers",
    "condition": "Conditions",
    "once": "Onces",
    "limiter": "Limiters",
    "pool": "Pools",
    "command": "The command",
    "space": "Beginning",
    "manager": "Against CPython's Manager",
    "python": "From Python",
    "death": "Deaths",
    "memory": "Memory",
    "allocator": "The allocator, through a dict",
    "transaction": "Transactions",
}


assert {row.part for row in rows.ROWS} <= set(PARTS)  # a row of no part would be in no table

# ---- from numbers to verdicts ----


def of_rounds(name, number, data):
    """One number for each round: the run's own, or the median if the run printed one an event."""
    measured = data["measurements"].get(name, [])
    if name.startswith("kith") and rows.MEASUREMENTS[name].once:
        return [each[number] for each in measured]
    return [statistics.median(each) for each in measured if each]


def percentile(numbers, part):
    ordered = sorted(numbers)
    return ordered[min(len(ordered) - 1, math.ceil(part * len(ordered)) - 1)]


class Result:
    """A row, judged.  `share` is what was measured over what is allowed: at most 1 is met."""

    def __init__(self, row, data):
        self.row = row
        self.ours = self.peer = self.ratio = self.best = self.share = None
        self.trouble = ""
        for name in filter(None, (row.ours, row.peer)):
            if name in data["broken"]:
                self.trouble = f"failed: {data['broken'][name]}"
            elif name in data["missing"]:
                self.trouble = self.trouble or "not measured here"
            elif not data["measurements"].get(name):
                self.trouble = self.trouble or "not measured"
        if self.trouble:
            return
        if row.judge in ("p50", "p99"):
            events = [each for run in data["measurements"][row.ours] for each in run]
            self.ours = percentile(events, int(row.judge[1:]) / 100)
            self.share = self.ours / row.limit
            return
        ours = of_rounds(row.ours, row.number, data)
        self.ours = statistics.median(ours)
        if row.judge == "limit":
            self.share = self.ours / row.limit
            return
        peer = of_rounds(row.peer, 0, data)
        self.peer = statistics.median(peer)
        self.ratio = statistics.median(mine / theirs for mine, theirs in zip(ours, peer))
        self.best = min(ours) / min(peer)
        if row.judge == "ratio":
            self.share = self.ratio / row.limit
        elif row.judge == "plus":
            self.share = self.ours / (self.peer + row.limit)
        elif row.judge == "near":
            self.share = abs(self.ratio - 1) / row.limit
        elif row.judge == "speedup":
            self.ratio, self.best = 1 / self.ratio, 1 / self.best
            self.share = row.limit / self.ratio

    @property
    def verdict(self):
        if self.trouble:
            return self.trouble
        if self.row.judge == "none":
            return ""
        return "met" if self.share <= 1 else "missed"


def results_of(table, data):
    return [Result(row, data) for row in table]


# ---- words ----


def amount(number, unit):
    if number is None:
        return ""
    if unit == "times":
        return f"{number:.2f} ×"
    if unit == "part":
        return f"{number:.2%}"
    if unit == "bytes":
        for name, size in (("MiB", 1 << 20), ("KiB", 1 << 10)):
            if number >= size:
                return f"{number / size:.3g} {name}"
        return f"{number:.3g} bytes"
    for name, size in (("ms", 1e6), ("µs", 1e3)):
        if number >= size:
            return f"{significant(number / size)} {name}"
    return f"{significant(number)} ns"


def significant(number):
    return f"{number:.0f}" if number >= 100 else f"{number:.3g}"


def times(number):
    return "" if number is None else f"{significant(number)} ×"


def target_text(row):
    if row.judge == "ratio":
        return f"≤ {row.limit:.3g} × {rows.peer_of(row.peer).label}"
    if row.judge == "near":
        return f"within {row.limit:.0%} of {rows.peer_of(row.peer).label}"
    if row.judge == "plus":
        return f"≤ {rows.peer_of(row.peer).label} + {amount(row.limit, 'ns')}"
    if row.judge == "speedup":
        return f"≥ {row.limit:g} × faster"
    if row.judge == "none":
        return ""
    return f"≤ {amount(row.limit, row.unit)}"


def cells(result):
    row = result.row
    peer = ""
    if result.peer is not None:
        peer = f"{rows.peer_of(row.peer).label} {amount(result.peer, row.unit)}"
    return [row.title, target_text(row), amount(result.ours, row.unit), peer, times(result.ratio),
            times(result.best), result.verdict]


HEADINGS = ["", "target", "Kith", "peer", "ratio", "of best rounds", ""]


def parts_of(results):
    """The rows with a target by part, then the others by part."""
    for wanted in (True, False):
        for part in PARTS:
            chosen = [each for each in results
                      if each.row.part == part and (each.row.judge != "none") == wanted]
            if chosen:
                yield wanted, part, chosen


# ---- on a terminal ----


def print_table(table, data):
    results = results_of(table, data)
    lines = [HEADINGS]
    for wanted, part, chosen in parts_of(results):
        lines.append([f"{PARTS[part]}" + ("" if wanted else ", without a target")])
        lines += [["  " + cells(each)[0], *cells(each)[1:]] for each in chosen]
    widths = [max(len(line[n]) for line in lines if len(line) > 1) for n in range(len(HEADINGS))]
    for line in lines:
        print("  ".join(each.ljust(width) if n == 0 else each.rjust(width)
                        for n, (each, width) in enumerate(zip(line, widths))).rstrip())
    judged = [each.verdict for each in results if each.row.judge != "none"]
    print(f"\n{judged.count('met')} met, {judged.count('missed')} missed, "
          f"{len(judged) - judged.count('met') - judged.count('missed')} not measured; "
          f"{data['rounds']} rounds in {data['seconds']} s, {noise(data)}")
    if data["machine"]["load_before"] > data["machine"]["processors"] / 4:
        print(f"The machine was busy before (load average {data['machine']['load_before']:.2f}): "
              "these numbers say little.")


def print_instructions(counts, broken):
    width = max(map(len, [*counts, *broken]), default=0)
    for name, count in counts.items():
        print(f"{name.ljust(width)}  {count:8.0f} instructions an operation")
    for name, reason in broken.items():
        print(f"{name.ljust(width)}  {reason}")


def noise(data):
    rounds = of_rounds("calibrate", 0, data)
    spread = f"{max(rounds) / min(rounds) - 1:.0%}" if rounds else "unknown"
    return (f"a loop of additions varied by {spread} between rounds, and the host took "
            f"{data['stolen']:.1%} of the busy time for others")


# ---- docs/performance.md ----


def write_docs(table, data, docs):
    results = results_of(table, data)
    plots = docs / "plots"
    plots.mkdir(parents=True, exist_ok=True)
    (docs / "performance.md").write_text(page(results, data))
    (plots / "targets.svg").write_text(targets_plot(results))
    (plots / "processes.svg").write_text(processes_plot(data))
    (plots / "deaths.svg").write_text(deaths_plot(data))


def table_of(results):
    lines = ["| " + " | ".join(HEADINGS) + " |", "| --- | --- | --: | --: | --: | --: | --- |"]
    lines += ["| " + " | ".join(cells(each)) + " |" for each in results]
    return "\n".join(lines)


def page(results, data):
    judged = [each for each in results if each.row.judge != "none"]
    met = [each for each in judged if each.verdict == "met"]
    text = [
        "# Performance",
        "",
        f"Kith {data['kith']}, measured on {data['date']}: {len(met)} of {len(judged)} targets are "
        "met.  This page is written by `bench/run`; run it to have the same for your machine.",
        "",
        "![Each target, and how near to it](plots/targets.svg)",
        "",
    ]
    for wanted in (True, False):
        text += ["## " + ("Targets" if wanted else "Without a target"), ""]
        for is_wanted, part, chosen in parts_of(results):
            if is_wanted == wanted:
                text += [f"### {PARTS[part]}", "", table_of(chosen), ""]
    text += [
        "## With more processes",
        "",
        "Nanoseconds an operation of all processes together, so that processes that do not disturb "
        "each other halve it with each doubling, up to the number of processors.",
        "",
        "![Time an operation with 1, 2 and 8 processes](plots/processes.svg)",
        "",
        "## A death",
        "",
        "From the kill to the return of one that sleeps in wait for what the killed process had: "
        "the median, and the 99th of a hundred.  It is told by an event; a look every 80 ms stands "
        "behind that.  Who waits for an event, a value, a key of a dict or a limiter waits for no "
        "process in particular, and a death changes nothing for them.",
        "",
        "![How long waiters of the dead wait](plots/deaths.svg)",
        "",
        "## Where we lose",
        "",
        *losses(judged),
        "",
        "## How each peer is compared",
        "",
        *comparisons(results),
        "",
        "## Method",
        "",
        f"{data['rounds']} rounds.  In each, every case runs once, in processes of its own, for "
        f"{data['ms']} ms after a warming up of 60 ms at most; what is compared runs one after the "
        "other, and every other round goes backwards.  The table has medians over the rounds, the "
        "median of the rounds' ratios, and beside it the ratio of the best rounds, which the "
        "neighbours on the host disturb least.  Times are wall time over the operations of all "
        "processes together.  One or two processes are pinned to processors of their own unless "
        "it says one core; 8 float.  Every program checks what it reads.  Keys are 16 random "
        "bytes, values ints, unless it says otherwise.  Percentiles are over all events of all "
        f"rounds.  Churn is {data['churn']:,} inserts and deletes on 1,000 keys.  "
        "`bench/README.md` has the rest.",
        "",
        "## Machine",
        "",
        *machine_lines(data),
        "",
    ]
    return "\n".join(text)


def losses(judged):
    lines = []
    for each in judged:
        if each.verdict == "missed":
            against = ("of the best rounds " + times(each.best) if each.best is not None
                       else "with nothing to compare")
            line = (f"- **{PARTS[each.row.part]}: {each.row.title}.**  Wanted "
                    f"{target_text(each.row)}; measured {amount(each.ours, each.row.unit)}")
            if each.ratio is not None:
                line += f", {times(each.ratio)} ({against})"
            line += f", which is {each.share:.2f} times what is allowed."
            lines.append(f"{line}  {each.row.why or 'It is not known why.'}")
        elif each.verdict != "met":
            lines.append(f"- **{PARTS[each.row.part]}: {each.row.title}.**  {each.verdict}.")
    return lines or ["Nowhere in the table of targets, in this run."]


def comparisons(results):
    used = {rows.peer_of(each.row.peer): None for each in results if each.row.peer}
    return [f"- **{peer.label}** ({peer.begins}): {peer.how}." for peer in used]


def machine_lines(data):
    about = data["machine"]
    libraries = {**about["libraries"], "redis": about["redis"], "python": about["python"]}
    return [
        f"- {about['processors']} processors of {about['processor']}"
        + (", in a virtual machine" if about["virtual"] else "")
        + f", {about['memory_gib']} GiB, Linux {about['kernel']}",
        "- " + ", ".join([about["libc"], *about["compilers"]]),
        "- " + ", ".join(f"{name} {version}" for name, version in sorted(libraries.items())
                         if version),
        f"- load average {about['load_before']:.2f} before and {data['load_after']:.2f} after; "
        f"{noise(data)}",
    ]


# ---- plots, as SVG by hand ----

SHARE_SHOWN_MIN = 1e-4  # what is less is shown as that, since the axis has no zero
OURS, PEER, BAD, INK, FAINT = "#1f6f54", "#9aa5b1", "#b5482f", "#22272e", "#d8dde3"


def svg(width, height, body):
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
            f'viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">\n'
            f'<rect width="{width}" height="{height}" fill="#ffffff"/>\n' + "\n".join(body)
            + "\n</svg>\n")


def text(x, y, words, anchor="start", fill=INK, size=12):
    return (f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{fill}" '
            f'font-size="{size}">{escape(words)}</text>')


def line(x1, y1, x2, y2, stroke=FAINT, width=1):
    return (f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{stroke}" '
            f'stroke-width="{width}"/>')


def bar(x, y, width, height, fill):
    return (f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 1):.1f}" height="{height:.1f}" '
            f'fill="{fill}"/>')


def dot(x, y, fill):
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="{fill}"/>'


class LogAxis:
    """Numbers from `low` to `high`, both rounded out to powers of ten, onto `start` … `end`."""

    def __init__(self, numbers, start, end):
        self.low = math.floor(math.log10(min(numbers)))
        self.high = max(self.low + 1, math.ceil(math.log10(max(numbers))))
        self.start, self.end = start, end

    def at(self, number):
        part = (math.log10(number) - self.low) / (self.high - self.low)
        return self.start + part * (self.end - self.start)

    def ticks(self):
        return [10.0**n for n in range(self.low, self.high + 1)]


def targets_plot(results):
    shown = [each for each in results if each.share is not None]
    if not shown:
        return svg(400, 60, [text(20, 35, "Nothing was measured.")])
    left, right, step = 330, 860, 22
    height = 70 + step * len(shown)
    shares = [max(each.share, SHARE_SHOWN_MIN) for each in shown]
    axis = LogAxis([*shares, 1], left, right)
    met = axis.at(1)
    body = [text(met - 8, 20, "met", "end", OURS, 13),
            text(met + 8, 20, "missed", fill=BAD, size=13),
            text(right + 60, 20, "measured / allowed", "end")]
    for tick in axis.ticks():
        body += [line(axis.at(tick), 34, axis.at(tick), height - 24),
                 text(axis.at(tick), height - 8, f"{tick:g}", "middle")]
    for n, each in enumerate(shown):
        y = 40 + n * step
        x = axis.at(shares[n])
        body += [text(left - 8, y + 12, f"{each.row.part}: {each.row.title}", "end"),
                 bar(min(x, met), y, abs(x - met), step - 8, OURS if each.share <= 1 else BAD),
                 text(right + 60, y + 12, f"{each.share:.2f}", "end")]
    body.append(line(met, 34, met, height - 24, INK, 2))
    return svg(right + 80, height, body)


def processes_plot(data):
    panels = (("get", rows.GET, rows.BOOST_GET, "Boost, map and mutex"),
              ("set, own keys", rows.SET, rows.BOOST_SET, "Boost, map and mutex"),
              ("add, one key", rows.ADD, rows.BOOST_ADD, "Boost, map and mutex"),
              ("lock, acquire and release", rows.LOCK, rows.MUTEX, "glibc, robust mutex"),
              ("items set and deleted", rows.RESIZE, rows.BOOST_RESIZE, "Boost, map and mutex"),
              ("put, lease, transaction", rows.STEP, rows.LMDB_STEP, "LMDB"))
    width, height = 300, 230
    body = []
    for n, (title, ours, peers, peer_name) in enumerate(panels):
        x, y = 20 + n % 3 * width, 20 + n // 3 * height
        body += panel(x, y, width - 30, height - 30, title, peer_name,
                      *([of_rounds(name, 0, data) for name in side] for side in (ours, peers)))
    return svg(3 * width + 10, 2 * height + 10, body)


def panel(x, y, width, height, title, peer_name, ours, peers):
    """Bars in pairs for 1, 2 and 8 processes, with their nanoseconds above them."""
    body = [text(x, y + 4, f"{title}, ns", size=13)]
    numbers = [statistics.median(each) for each in (*ours, *peers) if each]
    if not numbers:
        return [*body, text(x, y + 30, "not measured")]
    floor, scale = y + height - 18, (height - 70) / max(numbers)
    body += [bar(x, y + 12, 10, 10, OURS), text(x + 14, y + 21, "Kith", size=11),
             bar(x + 50, y + 12, 10, 10, PEER), text(x + 64, y + 21, peer_name, size=11)]
    for n, count in enumerate((1, 2, 8)):
        middle = x + width * (n + 0.5) / 3
        body.append(text(middle, floor + 15, f"{count} process" + ("es" if count > 1 else ""),
                         "middle"))
        for rounds, fill, at in ((ours[n], OURS, middle - 37), (peers[n], PEER, middle + 1)):
            if rounds:
                tall = statistics.median(rounds) * scale
                body += [bar(at, floor - tall, 36, tall, fill),
                         text(at + 18, floor - tall - 3, significant(statistics.median(rounds)),
                              "middle", size=11)]
    return [*body, line(x, floor, x + width, floor, INK)]


def deaths_plot(data):
    kinds = [(title, sorted(each for run in data["measurements"].get(name, []) for each in run))
             for name, title in rows.DEATHS]
    kinds = [each for each in kinds if each[1]]
    if not kinds:
        return svg(400, 60, [text(20, 35, "Nothing was measured.")])
    left, right, top, step = 190, 700, 40, 24
    floor = top + step * len(kinds)
    axis = LogAxis([each for _, numbers in kinds for each in numbers] + [1e8], left, right)
    body = [text(left, 20, "from the kill to the waiter's return: fastest to slowest,", size=13),
            dot(left + 330, 16, OURS), text(left + 340, 20, "p50", size=13),
            dot(left + 380, 16, BAD), text(left + 390, 20, "p99", size=13)]
    for tick in axis.ticks():
        body += [line(axis.at(tick), top, axis.at(tick), floor),
                 text(axis.at(tick), floor + 16, amount(tick, "ns"), "middle")]
    body.append(line(axis.at(1e8), top, axis.at(1e8), floor, INK, 2))
    for n, (title, numbers) in enumerate(kinds):
        y = top + (n + 0.5) * step
        body += [text(left - 8, y + 4, title, "end"),
                 line(axis.at(numbers[0]), y, axis.at(numbers[-1]), y, PEER, 4),
                 dot(axis.at(percentile(numbers, 0.99)), y, BAD),
                 dot(axis.at(percentile(numbers, 0.5)), y, OURS),
                 text(right + 90, y + 4, f"{len(numbers)} times", "end")]
    return svg(right + 100, floor + 30, body)
