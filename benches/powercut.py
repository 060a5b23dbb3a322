#!/usr/bin/env python3
"""Cuts the power, on paper, in the middle of the store's work.

The system calls of a child that fills the store (`cargo bench --bench store -- writer DIR`) are
recorded with strace. For many points in that record the files a power cut could leave are rebuilt,
and the store is opened on them: whatever was acknowledged by then must be there.

Three pictures are drawn for every point:
  synced   only what a finished fsync covers
  ranges   besides, what sync_file_range was asked to write
  random   besides, a random half of all other 4 KiB blocks

Usage: benches/powercut.py [POINTS] [SECONDS] [SEED]      (60 points, 3 seconds, seed 1)
"""
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter, namedtuple

BLOCK = 4096
CALLS = "openat,mkdir,mkdirat,write,pwrite64,fsync,fdatasync,sync_file_range,ftruncate,rename,renameat,renameat2,unlink,unlinkat"
# What happened to which path, between which lines of the record.
Deed = namedtuple("Deed", "kind path offset data begun ended")
STRING = re.compile(r'"((?:\\x[0-9a-f]{2})*)"(\.\.\.)?')


def build():
    out = subprocess.run(
        ["cargo", "bench", "--bench", "store", "--no-run", "--message-format=json"],
        check=True, stdout=subprocess.PIPE, text=True).stdout
    for line in out.splitlines():
        message = json.loads(line)
        if message.get("executable") and message["target"]["name"] == "store":
            return message["executable"]
    sys.exit("cargo built no bench named store")


def record(binary, data, trace, seconds):
    child = subprocess.Popen(
        ["strace", "-f", "-y", "-xx", "-s", "8000000", "-e", "trace=" + CALLS, "-o", trace, binary, "writer", data],
        stdout=subprocess.DEVNULL, start_new_session=True)
    time.sleep(seconds)
    if child.poll() is not None:
        sys.exit("the child ended by itself")
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def whole_calls(trace):
    """Joins calls that other threads interrupted: (line begun, line ended, text)."""
    begun = {}
    with open(trace, errors="replace") as lines:
        for number, line in enumerate(lines):
            thread, _, text = line.rstrip("\n").partition(" ")
            text = text.strip()
            if text.endswith("<unfinished ...>"):
                begun[thread] = (number, text[: -len("<unfinished ...>")].rstrip())
                continue
            resumed = re.match(r"<\.\.\. \w+ resumed>(.*)", text)
            start = number
            if resumed:
                if thread not in begun:
                    continue
                start, head = begun.pop(thread)
                text = head + resumed.group(1)
            yield start, number, text


def plain(hexed):
    return bytes.fromhex(hexed.replace("\\x", ""))


def strings(text):
    return [plain(found.group(1)) for found in STRING.finditer(text)]


def deeds_of(trace, data):
    deeds, positions = [], Counter()

    def ours(path):
        return path == data or path.startswith(data + "/")

    for begun, ended, text in whole_calls(trace):
        parsed = re.match(r"(\w+)\((.*)\)\s+=\s+(-?\d+)", text, re.S)
        if not parsed or int(parsed.group(3)) < 0:
            continue
        call, args, result = parsed.group(1), parsed.group(2), int(parsed.group(3))

        def deed(kind, path, offset=0, payload=None):
            deeds.append(Deed(kind, path, offset, payload, begun, ended))

        if call in ("openat", "mkdir", "mkdirat", "unlink", "unlinkat", "rename", "renameat", "renameat2"):
            paths = [path.decode() for path in strings(re.sub(r"<[^>]*>", "", args))]
            if not ours(paths[0]):
                continue
            if call == "openat":
                if "O_CREAT" in args:
                    deed("create", paths[0])
                if "O_TRUNC" in args:
                    deed("cut", paths[0])
                positions[paths[0]] = 0
            elif call.startswith("mkdir"):
                deed("mkdir", paths[0])
            elif call.startswith("unlink"):
                deed("unlink", paths[0])
            else:
                deed("rename", paths[0], payload=paths[1])
            continue
        opened = re.match(r"(\d+)<([^>]*)>", args)
        if not opened:
            continue
        descriptor, path = opened.groups()
        path = plain(path).decode() if path.startswith("\\x") else path
        if call == "write" and descriptor == "1":
            deed("told", None, payload=strings(args)[0].decode())
        elif not ours(path):
            continue
        elif call in ("write", "pwrite64"):
            found = STRING.search(args)
            payload = plain(found.group(1))[:result]
            assert found.group(2) is None and len(payload) == result, "a write was recorded in part"
            if call == "pwrite64":
                offset = int(args.rsplit(",", 1)[1])
            else:
                offset = positions[path]
                positions[path] += result
            deed("write", path, offset, payload)
        elif call in ("fsync", "fdatasync"):
            deed("sync", path)
        elif call == "sync_file_range":
            words = [word.strip() for word in args.split(",")]
            deed("range", path, int(words[1], 0), int(words[2], 0))
        elif call == "ftruncate":
            deed("cut", path, int(args.rsplit(",", 1)[1], 0))
    return deeds


class File:
    def __init__(self):
        self.data = bytearray()
        self.size = 0
        self.there = False

    def put(self, offset, payload):
        end = offset + len(payload)
        if len(self.data) < end:
            self.data.extend(bytes(end - len(self.data)))
        self.data[offset:end] = payload
        self.size = max(self.size, end)


def draw(deeds, last, picture, data, out, dice):
    """Writes into `out` what could be on the disk right after deed number `last`."""
    now = deeds[last].ended
    past = [deed for deed in deeds[: last + 1] if deed.ended <= now]
    syncs = [deed for deed in past if deed.kind == "sync"]
    # Any sync commits the file system's own journal, and with it names made before.
    names_until = max((deed.begun for deed in syncs), default=-1)
    synced_until = Counter()
    ranges = {}
    for deed in syncs:
        synced_until[deed.path] = max(synced_until[deed.path], deed.begun)
    for deed in past:
        if deed.kind == "range":
            ranges.setdefault(deed.path, []).append(deed)
    files, folders = {}, set()
    for deed in past:
        named = deed.ended <= names_until
        if deed.kind == "mkdir":
            if named:
                folders.add(deed.path)
        elif deed.kind == "create":
            file = files.setdefault(deed.path, File())
            file.there = file.there or named
        elif deed.kind == "write":
            file = files.setdefault(deed.path, File())
            end = deed.offset + len(deed.data)
            safe = deed.ended <= synced_until[deed.path]
            if not safe and picture != "synced":
                safe = any(
                    asked.offset <= deed.offset and end <= asked.offset + asked.data and asked.begun >= deed.ended
                    for asked in ranges.get(deed.path, []))
            if safe:
                file.put(deed.offset, deed.data)
            elif picture == "random":
                at = 0
                while at < len(deed.data):
                    step = min(BLOCK - (deed.offset + at) % BLOCK, len(deed.data) - at)
                    if dice.random() < 0.5:
                        file.put(deed.offset + at, deed.data[at : at + step])
                    at += step
        elif deed.kind == "cut" and deed.ended <= synced_until[deed.path]:
            file = files.setdefault(deed.path, File())
            del file.data[deed.offset :]
            file.data.extend(bytes(deed.offset - len(file.data)))
            file.size = deed.offset
        elif deed.kind == "unlink" and named:
            files.pop(deed.path, None)
        elif deed.kind == "rename" and named and deed.path in files:
            files[deed.data] = files.pop(deed.path)
            files[deed.data].there = True
    shutil.rmtree(out, ignore_errors=True)
    os.makedirs(out)
    for folder in sorted(folders):
        os.makedirs(out + folder[len(data):], exist_ok=True)
    for path, file in files.items():
        if file.there:
            place = out + path[len(data):]
            os.makedirs(os.path.dirname(place), exist_ok=True)
            with open(place, "wb") as target:
                target.write(file.data[: file.size])


def main():
    points, seconds, seed = [int(word) for word in (sys.argv[1:] + ["60", "3", "1"][len(sys.argv) - 1:])][:3]
    binary = build()
    home = tempfile.mkdtemp(prefix="powercut-")
    data, trace = home + "/data", home + "/trace"
    record(binary, data, trace, seconds)
    deeds = deeds_of(trace, data)
    os.remove(trace)
    told = [number for number, deed in enumerate(deeds) if deed.kind == "told"]
    blobs = sum(1 for deed in deeds if deed.kind == "create" and "/blobs/" in deed.path)
    print(f"{len(deeds)} calls recorded, {len(told)} acknowledgements, {blobs} files beside the log")
    assert blobs == 0, "the store wrote a value into a file that is never synced"
    dice = random.Random(seed)
    # Half of the points right after an acknowledgement, half anywhere between.
    anywhere = [number for number, deed in enumerate(deeds) if deed.kind != "told" and number > told[0]]
    cuts = dice.sample(told, min(points // 2, len(told))) + dice.sample(anywhere, min(points - points // 2, len(anywhere)))
    outcome, checked, worst = Counter(), 0, 0.0
    for cut in sorted(cuts):
        acknowledged = "".join(deed.data for deed in deeds[: cut + 1] if deed.kind == "told")
        for picture in ("synced", "ranges", "random"):
            draw(deeds, cut, picture, data, home + "/cut", random.Random(cut))
            begun = time.monotonic()
            read = subprocess.run([binary, "reader", home + "/cut"], input=acknowledged, capture_output=True, text=True, timeout=300)
            worst = max(worst, time.monotonic() - begun)
            whole = re.search(r"whole (\d+)", read.stdout)
            if read.returncode == 0 and whole:
                outcome[picture, "whole"] += 1
                checked += int(whole.group(1))
            else:
                outcome[picture, "BAD"] += 1
                print(f"cut {cut} {picture}: {read.stderr.strip()[-400:]}")
    shutil.rmtree(home)
    for picture in ("synced", "ranges", "random"):
        print(f"{picture:>7}: {outcome[picture, 'whole']} whole, {outcome[picture, 'BAD']} bad")
    print(f"{checked} acknowledged events were looked for, in {sum(outcome.values())} states; slowest opening {worst:.2f} s")
    sys.exit(any(outcome[picture, "BAD"] for picture in ("synced", "ranges", "random")))


main()
