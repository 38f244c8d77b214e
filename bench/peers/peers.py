"""Runs the comparison: every row, contenders in turn within each round, median of the rounds."""
import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys

import contenders
import load
import report

HERE = os.path.dirname(os.path.abspath(__file__))


def parse_arguments():
    rows = [row.name for row in load.ROWS]
    names = [c.name for c in contenders.ALL]
    parser = argparse.ArgumentParser(prog="bench/peers/run", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="rounds of every row (default 3)")
    parser.add_argument("--seconds", type=int, default=3, help="length of one measurement (default 3)")
    parser.add_argument("--rows", default=",".join(rows), help="of " + ", ".join(rows))
    parser.add_argument("--contenders", default=",".join(names), help="of " + ", ".join(names))
    parser.add_argument("--build", default=os.path.join(HERE, "..", "..", "build-release"), help="where cardea-proxy was built")
    parser.add_argument("--out", help="folder for results.json and results.svg; a complete run's default is here")
    parser.add_argument("--work", required=True, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    for chosen, known in ((arguments.rows.split(","), rows), (arguments.contenders.split(","), names)):
        for name in chosen:
            if name not in known:
                parser.error(f"{name}: not one of {', '.join(known)}")
    if arguments.rounds < 1 or arguments.seconds < 1:
        parser.error("--rounds and --seconds are 1 or more")
    complete = set(arguments.rows.split(",")) == set(rows) and set(arguments.contenders.split(",")) == set(names)
    if not arguments.out and complete:
        arguments.out = HERE
    return arguments


def choose(arguments, site):
    chosen = []
    for kind in contenders.ALL:
        if kind.name in arguments.contenders.split(","):
            missing = kind.missing(site)
            if missing:
                print(f"skipped {kind.name}: {missing}")
            else:
                chosen.append(kind)
    return chosen


def measure(row, running_ones, site, rounds, seconds):
    """{contender: [samples]}. Contenders that stay up serve all rows; `fresh` rows start one for each sample."""
    samples = {}
    for number in range(rounds):
        for running in running_ones:
            if not row.takes(running):
                continue
            contender = type(running)(site) if row.fresh else running
            try:
                if row.fresh:
                    contender.start()
                sample = row.measure(contender, site, seconds)
            except (RuntimeError, OSError, subprocess.TimeoutExpired) as error:
                print(f"  {running.name}: failed: {error}", file=sys.stderr)
                continue
            finally:
                if row.fresh:
                    contender.stop()
            samples.setdefault(running.name, []).append(sample)
            print(f"  round {number + 1}  {running.name:22} {sample.cost:9.2f} {row.unit}", flush=True)
    return samples


def summary(row, samples):
    results = {}
    for name, taken in samples.items():
        late = [s.p99 for s in taken if s.p99 is not None]
        results[name] = {"cost": statistics.median(s.cost for s in taken), "all": [s.cost for s in taken],
                         "rate": statistics.median(s.rate for s in taken),
                         "p99_ms": statistics.median(late) if late else None}
    return {"row": row.name, "title": row.title, "unit": row.unit, "results": results}


def version(command):
    out = subprocess.run(command, capture_output=True, text=True)
    return (out.stdout + out.stderr).splitlines()[0]


def main():
    arguments = parse_arguments()
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    if len(contenders.CPUS) < 2:
        print("only one CPU: proxies and load share it, so rates and p99 mean little")
    site = contenders.Site(arguments.work, os.path.abspath(os.path.join(arguments.build, "capi/demo/cardea-proxy")))
    running, table = [], []
    try:
        site.start_origin(1000)
        kinds = choose(arguments, site)
        for kind in kinds:
            running.append(kind(site).start())
        for row in load.ROWS:
            if row.name in arguments.rows.split(","):
                print(f"{row.title}:", flush=True)
                table.append(summary(row, measure(row, running, site, arguments.rounds, arguments.seconds)))
    finally:
        for contender in running:
            contender.stop()
        if site.origin:
            site.origin.stop()
    print()
    print(report.table(table))
    machine = {"kernel": platform.release(), "cpus": len(contenders.CPUS), "rounds": arguments.rounds,
               "seconds": arguments.seconds, "openssl": version(["openssl", "version"])}
    if arguments.out:
        os.makedirs(arguments.out, exist_ok=True)
        with open(os.path.join(arguments.out, "results.json"), "w") as out:
            json.dump({"machine": machine, "rows": table}, out, indent=1)
            out.write("\n")
        with open(os.path.join(arguments.out, "results.svg"), "w") as out:
            out.write(report.drawing(table))
        print(f"written: {arguments.out}/results.json, {arguments.out}/results.svg")
    failed = [row["title"] for row in table if not row["results"]]
    if failed:
        sys.exit(f"nothing was measured for: {', '.join(failed)}")


if __name__ == "__main__":
    main()
