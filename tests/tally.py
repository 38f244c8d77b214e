"""Counts what `meson test` ran: every GoogleTest case, and one for each other test. Prints «PASSED FAILED».

    tally.py BUILD_FOLDER GTEST_FOLDER      the latter holds the JSON reports that GTEST_OUTPUT asked for
"""
import json
import os
import sys


def gtest_cases(report):
    with open(report) as text:
        for suite in json.load(text)["testsuites"]:
            for case in suite["testsuite"]:
                if case["status"] == "RUN":
                    yield not case.get("failures")


def main():
    build, reports = sys.argv[1:]
    passed = failed = 0
    log = os.path.join(build, "meson-logs", "testlog.json")
    if not os.path.exists(log):
        print("0 1")
        return
    with open(log) as lines:
        tests = [json.loads(line) for line in lines]
    for test in tests:
        good = test["result"] in ("OK", "EXPECTEDFAIL")
        if test["result"] == "SKIP":
            continue
        report = os.path.join(reports, os.path.basename(test["command"][0]) + ".json")
        cases = list(gtest_cases(report)) if os.path.exists(report) else []
        passed += sum(cases) or (good and not cases)
        # A test that crashed, leaked or ran out of time leaves no failed case behind: it is one failure of its own.
        failed += (len(cases) - sum(cases)) or (not good)
    print(passed, failed)


if __name__ == "__main__":
    main()
