"""Running pgbench and the load generator, and what their runs cost: time by process group, memory by process."""

import contextlib
import json
import os
import pathlib
import re
import resource
import subprocess
import time

TICK = os.sysconf("SC_CLK_TCK")
REAP = 0.2      # for a server to collect its processes that have ended, and their time with them
PGBENCH = "/usr/lib/postgresql/15/bin/pgbench"


WAL_SEGMENTS = 64   # of 16 MiB; 1,000 messages a second fill one in 5 to 10 seconds


def keep_wal(stack):
    """Lets PostgreSQL write into segments that are there already, as it does when it has run for a while. A new one is filled with zeros and
    flushed while every commit waits. Needs a `min_wal_size` that keeps them."""
    for _ in range(WAL_SEGMENTS):
        stack.psql("SELECT pg_logical_emit_message(false, '', ''), pg_switch_wal()")
    stack.psql("CHECKPOINT")


STOLEN_MOST = 0.01  # of the time of all processors


def _stolen():
    """Seconds of all processors that the hypervisor has given to others; proc_stat(5), `steal`."""
    with open("/proc/stat", encoding="ascii") as f:
        return int(f.readline().split()[8]) / TICK


def undisturbed(run, tries=5):
    """(what run() returns, the share of all processors' time that the hypervisor gave to others meanwhile). Done again while that is more than
    STOLEN_MOST, at most so often; then the least disturbed of them. Nothing else is looked at, so it favours nobody."""
    best = None
    for _ in range(tries):
        began, before = time.monotonic(), _stolen()
        result = run()
        share = (_stolen() - before) / (time.monotonic() - began) / os.cpu_count()
        if best is None or share < best[1]:
            best = result, share
        if share <= STOLEN_MOST:
            break
    return best


def _fields():
    """pid -> (parent, clock ticks of its own and of its children that ended)."""
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError, IndexError):
                f = pathlib.Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()
                found[int(name)] = (int(f[1]), sum(map(int, f[11:15])))
    return found


def trees(roots):
    """name -> all pids below the root of that name."""
    fields = _fields()
    below = {}
    for pid, (parent, _) in fields.items():
        below.setdefault(parent, []).append(pid)
    result = {}
    for name, root in roots.items():
        queue, result[name] = [root], []
        while queue:
            pid = queue.pop()
            result[name].append(pid)
            queue += below.get(pid, [])
    return result


def cpu_seconds(roots):
    fields = _fields()
    return {name: sum(fields[p][1] for p in pids if p in fields) / TICK for name, pids in trees(roots).items()}


def pss_kib(roots):
    """name -> proportional set size of all its processes."""
    result = {}
    for name, pids in trees(roots).items():
        total = 0
        for pid in pids:
            with contextlib.suppress(OSError):
                text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
                total += int(re.search(r"^Pss:\s+(\d+)", text, re.M).group(1))
        result[name] = total
    return result


class Run:
    """One measurement: requests per second, latency in ms, errors, and microseconds of processor time per request by process group."""

    def __init__(self, per_second, done, errors, error, cpu, **latency):
        self.per_second, self.done, self.errors, self.error, self.latency = per_second, done, errors, error, latency
        self.cpu_us = {name: round(1e6 * seconds / max(done, 1), 1) for name, seconds in cpu.items()}


def _timed(argv, roots, client, **options):
    """Output of a program, with the processor time of the groups and of the program itself."""
    before, mine = cpu_seconds(roots), resource.getrusage(resource.RUSAGE_CHILDREN)
    out = subprocess.run(list(map(str, argv)), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, **options)
    time.sleep(REAP)
    after, ours = cpu_seconds(roots), resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = {name: after[name] - before[name] for name in roots}
    cpu[client] = ours.ru_utime + ours.ru_stime - mine.ru_utime - mine.ru_stime
    return out.returncode, out.stdout, out.stderr, cpu


def load_argv(stack, port, requests, status, connections, seconds, warm_up, seed, *more):
    return list(map(str, [stack.build_dir / "bench" / "load", "-p", port, "-c", connections, "-t", seconds, "-w", warm_up,
                          "-s", status, "-f", requests, "-k", seed, *more]))


def load(stack, port, requests, status, connections, seconds, warm_up, seed, roots, *more):
    code, out, err, cpu = _timed(load_argv(stack, port, requests, status, connections, seconds, warm_up, seed, *more), roots, "load")
    if code:
        return Run(0, 0, 1, err.strip() or f"load ended with code {code}", cpu)
    r = json.loads(out)
    return Run(r["per_second"], r["answers"], r["errors"] + (r["requests"] == 0), r["first_error"], cpu, p50=r["p50_ms"], p99=r["p99_ms"])


def pgbench(stack, script, variables, connections, seconds, seed, session, roots):
    argv = [PGBENCH, "-n", "-M", "prepared", "-c", connections, "-j", 2, "-T", seconds, "-f", script, f"--random-seed={seed}"]
    for name, value in variables.items():
        argv += ["-D", f"{name}={value}"]
    env = {**stack._env(), "PGOPTIONS": session, "PGHOST": str(stack.run_dir), "PGPORT": "5432", "PGUSER": "peal", "PGDATABASE": "peal"}
    code, out, err, cpu = _timed(argv, roots, "pgbench", env=env)
    rate = re.search(r"^tps = ([\d.]+)", out, re.M)
    done = re.search(r"transactions actually processed: (\d+)", out)
    mean = re.search(r"^latency average = ([\d.]+)", out, re.M)
    failed = re.search(r"failed transactions: (\d+)", out)
    if code or not rate:
        return Run(0, 0, 1, err.strip()[-400:], cpu)
    return Run(float(rate.group(1)), int(done.group(1)), int(failed.group(1)) if failed else 0, err.strip()[-400:], cpu,
               mean=float(mean.group(1)))
