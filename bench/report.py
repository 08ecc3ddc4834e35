"""From runs to the table: medians of rounds with their spread, ratios of the same round, budgets."""

import statistics
import time

WHO = ("pgbench", "constant", "peal", "fastify")
BUDGETS = {"send": 3.6, "page": 4.5, "list": 4.5}
ADDITIVE = 0.85
MEMORY_MIB = 150


def spread(values):
    return {"median": statistics.median(values), "low": min(values), "high": max(values)}


def _runs(bench, name, who):
    return [run for _, n, w, run in bench.runs if (n, w) == (name, who)]


def _row(runs):
    row = {"per_second": spread([r.per_second for r in runs])}
    for key in ("p50", "p99", "mean"):
        if key in runs[0].latency:
            row[f"{key}_ms"] = statistics.median(r.latency.get(key, 0) for r in runs)
    row["cpu_us"] = {name: statistics.median(r.cpu_us.get(name, 0) for r in runs) for name in runs[0].cpu_us}
    return row


def _ratios(bench, name):
    """Round by round: what is compared was measured within the same minute. By processor time a second time: that is the same whatever
    else the machine does, but knows nothing of waiting for the disk."""
    runs = list(zip(*(_runs(bench, name, who) for who in WHO)))
    rates = [[run.per_second or 1e-9 for run in four] for four in runs]
    costs = [[sum(run.cpu_us.values()) for run in four] for four in runs]
    return {"of the additive limit": spread([peal * (1 / pgbench + 1 / constant) for pgbench, constant, peal, _ in rates]),
            "times fastify": spread([peal / node for _, _, peal, node in rates]),
            "of the additive limit, by CPU": spread([(pgbench + constant) / peal for pgbench, constant, peal, _ in costs]),
            "times fastify, by CPU": spread([node / peal for _, _, peal, node in costs])}


def make(bench, memory, about):
    operations = {}
    for name in BUDGETS:
        operations[name] = {"who": {who: _row(_runs(bench, name, who)) for who in WHO}, "ratios": _ratios(bench, name),
                            "answer": bench.peers[name].note}
    others = {name: _row(_runs(bench, name, "peal")) for name in dict.fromkeys(n for _, n, _, _ in bench.runs if n not in BUDGETS)}
    errors = [f"{name} {who} in round {number + 1}: {run.errors} ({run.error})" for number, name, who, run in bench.runs if run.errors]
    return {"date": time.strftime("%Y-%m-%d %H:%M", time.gmtime()), **about, "conversations": bench.shape.conversations,
            "messages": bench.shape.messages, "people": bench.shape.users, "operations": operations, "others": others, "memory_kib": memory, "errors": errors,
            "budgets": _budgets(operations, memory)}


def _budgets(operations, memory):
    rows = []
    for name, factor in BUDGETS.items():
        ratios = operations[name]["ratios"]
        rows.append((f"{name}: of the additive limit", ratios["of the additive limit"]["median"], ADDITIVE, ">="))
        rows.append((f"{name}: times Fastify + pg", ratios["times fastify"]["median"], factor, ">="))
    for when, parts in memory.items():
        rows.append((f"memory, {when}, MiB", sum(parts.values()) / 1024, MEMORY_MIB, "<="))
    return [{"what": what, "measured": round(v, 2), "target": target, "met": v >= target if sign == ">=" else v <= target}
            for what, v, target, sign in rows]


# ---- text ----

def _cpu(parts):
    return ", ".join(f"{name} {us:.0f}" for name, us in sorted(parts.items(), key=lambda p: -p[1]) if us >= 0.5)


def _rows(title, rows):
    width = max(map(len, rows))
    lines = [f"\n{title}", f"  {'':{width}} {'requests/s':>10} {'(spread)':>15} {'p50 ms':>7} {'p99 ms':>7}  CPU us per request"]
    for who, row in rows.items():
        rate = row["per_second"]
        p50 = f"{row['p50_ms']:7.2f} {row['p99_ms']:7.2f}" if "p50_ms" in row else f"{row.get('mean_ms', 0):7.2f} {'(mean)':>7}"
        total = sum(row["cpu_us"].values())
        lines.append(f"  {who:{width}} {rate['median']:10.0f} {rate['low']:7.0f}-{rate['high']:<7.0f} {p50}  {total:.0f}: {_cpu(row['cpu_us'])}")
    return lines


def _operation(name, op):
    lines = _rows(f"{name} ({op['answer']})", op["who"])
    for what, r in op["ratios"].items():
        lines.append(f"  {r['median']:.2f} {what} ({r['low']:.2f} to {r['high']:.2f})")
    return lines


def _memory(memory):
    lines = ["\nmemory, PSS in MiB"]
    for when, parts in memory.items():
        shown = ", ".join(f"{name} {kib / 1024:.1f}" for name, kib in parts.items())
        lines.append(f"  {when}: {sum(parts.values()) / 1024:.1f} ({shown})")
    return lines


def text(result):
    lines = [f"{result['date']}: {result['conversations']} conversations, {result['messages']} messages, {result['people']} people; "
             f"{result['connections']} connections, medians of {result['rounds']} rounds of {result['seconds']} s; {result['fastify']}"]
    if result["load_before"] > 0.5:
        lines.append(f"the machine was busy before (load average {result['load_before']:.1f}): trust only what is by CPU")
    for name, op in result["operations"].items():
        lines += _operation(name, op)
    lines += _rows("other routes, through the product", result["others"])
    lines += _memory(result["memory_kib"])
    lines += ["\nbudgets"] + [f"  {'met   ' if b['met'] else 'MISSED'} {b['what']}: {b['measured']} (target {b['target']})" for b in result["budgets"]]
    lines += [f"ERROR {e}" for e in result["errors"]]
    return "\n".join(lines)
