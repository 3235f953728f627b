#!/usr/bin/env python3
"""A distributor of LLVM's distributed ThinLTO for this machine, and one that fails in every way.

Usage: distributor.py [OPTION...] JOBS.json

Runs the jobs of JOBS.json, two at a time. Options make what is wrong with real farms; N counts jobs from 0:
  --drop=N       every N-th job is not run
  --truncate=N   of every N-th output the second half is cut off
  --damage=N     in every N-th output one byte is another
  --swap         the outputs of the first two jobs change places
  --stop=N       the distributor dies after N jobs
  --hang=N       after N jobs nothing happens any more
  --kill=SEED    each worker is killed after up to 80 ms, and half of them run again
Prints how many workers it killed.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

OPTIONS = dict(word.lstrip("-").partition("=")[::2] for word in sys.argv[1:-1])
killed = 0


def chosen(option, number):
    return option in OPTIONS and number % int(OPTIONS[option]) == 0


def run(number, command):
    global killed
    if chosen("drop", number):
        return
    if "kill" in OPTIONS:
        chance = random.Random(int(OPTIONS["kill"]) * 1000 + number)
        worker = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            worker.wait(chance.uniform(0, 0.08))
        except subprocess.TimeoutExpired:
            worker.kill()
            worker.wait()
            killed += 1
        if chance.random() < 0.5:
            return
    subprocess.run(command)


def spoil(number, path):
    if not os.path.exists(path):
        return
    with open(path, "r+b") as file:
        size = file.seek(0, os.SEEK_END)
        if chosen("truncate", number):
            file.truncate(size // 2)
        if chosen("damage", number):
            file.seek(size // 2)
            byte = file.read(1)[0]
            file.seek(size // 2)
            file.write(bytes([byte ^ 1]))


def main():
    with open(sys.argv[-1]) as file:
        document = json.load(file)
    common, jobs = document["common"]["args"], document["jobs"]
    last = min(int(OPTIONS.get("stop", len(jobs))), int(OPTIONS.get("hang", len(jobs))))
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda n: run(n, common + jobs[n]["args"]), range(min(last, len(jobs)))))
    for number, job in enumerate(jobs):
        spoil(number, job["outputs"][0])
    if "swap" in OPTIONS:
        first, second = (job["outputs"][0] for job in jobs[:2])
        os.rename(first, first + ".side")
        os.rename(second, first)
        os.rename(first + ".side", second)
    print(f"killed {killed} workers", flush=True)
    if "hang" in OPTIONS:
        time.sleep(3600)
    if "stop" in OPTIONS:
        os.kill(os.getpid(), signal.SIGKILL)


main()
