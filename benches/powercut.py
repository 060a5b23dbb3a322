#!/usr/bin/env python3
"""Cuts the power, on paper, in the middle of the store's work.

The system calls of a child that fills the store (`cargo bench --bench store -- writer DIR`), and copies
it all the while to give space back, are recorded with strace. For many points in that record the files
a power cut could leave are rebuilt, and the store is opened on them: whatever was acknowledged by
then must be there.

Three pictures are drawn for every point:
  synced   only what a finished fsync covers
  ranges   besides, what sync_file_range was asked to write
  random   besides, a random half of all other 4 KiB blocks, and of the names made, moved and removed
each on two kinds of file systems, which differ in when names last:
  journal  any fsync makes all names before it last, in their order (random: up to some point in it)
  strict   the fsync of a directory makes the names in it last, and nothing else does

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
CALLS = ("openat,close,mkdir,mkdirat,write,pwrite64,fsync,fdatasync,sync_file_range,ftruncate,"
         "rename,renameat,renameat2,unlink,unlinkat,rmdir")
PICTURES = ("synced", "ranges", "random")
KINDS = ("journal", "strict")
# What happened, between which lines of the record. `node` is the file or directory it happened to; of
# names, `folders` are the directories they stand in.
Deed = namedtuple("Deed", "kind node offset data begun ended folders", defaults=((),))
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
        ["strace", "-f", "-xx", "-s", "8000000", "-e", "trace=" + CALLS, "-o", trace, binary, "writer", data],
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


class Tree:
    """Names as they are at one time: every directory's entries, by the numbers of the nodes."""

    def __init__(self):
        self.entries = {0: {}}

    def change(self, deed):
        """Does what the deed did, if that is possible here."""
        if deed.kind == "link":
            folder, name = deed.data
            if folder in self.entries:
                self.entries[folder].setdefault(name, deed.node)
                if deed.offset:
                    self.entries.setdefault(deed.node, {})
        elif deed.kind == "unlink":
            folder, name = deed.data
            # A directory that is removed takes with it what was removed in it before, lasting or not.
            if self.entries.get(folder, {}).get(name) == deed.node:
                del self.entries[folder][name]
        elif deed.kind == "rename":
            (source, old), (target, new) = deed.data
            if self.entries.get(source, {}).get(old) == deed.node and target in self.entries:
                self.entries[target][new] = self.entries[source].pop(old)


class Record:
    """Turns system calls into deeds. Files are told apart by what was opened, not by their paths, which
    change while they are open."""

    def __init__(self, home):
        self.home, self.now, self.deeds, self.opened, self.nodes = home, Tree(), [], {}, 0

    def place(self, descriptor, path):
        """The directory's node and the last name of a path; None for what is not ours."""
        if path.startswith("/"):
            if not (path + "/").startswith(self.home + "/"):
                return None
            folder, names = 0, path[len(self.home) + 1:].strip("/").split("/")
        else:
            at = self.opened.get(descriptor)
            if at is None:
                return None
            folder, names = at["node"], path.strip("/").split("/")
        for name in names[:-1]:
            folder = self.now.entries.get(folder, {}).get(name)
            if folder is None:
                return None
        return folder, names[-1]

    def find(self, place):
        return self.now.entries.get(place[0], {}).get(place[1]) if place else None

    def deed(self, *words, **more):
        self.deeds.append(Deed(*words, **more))
        self.now.change(self.deeds[-1])

    def link(self, place, is_folder, begun, ended):
        self.nodes += 1
        self.deed("link", self.nodes, is_folder, place, begun, ended, folders=(place[0],))

    def named(self, call, args, result, begun, ended):
        words = re.match(r"(AT_FDCWD|\d+), ", args)
        at = None if not words or words.group(1) == "AT_FDCWD" else int(words.group(1))
        places = [self.place(at, path.decode()) for path in strings(args)]
        # The second path of a rename is relative to a descriptor of its own; ours are absolute.
        if not places or any(place is None for place in places):
            self.opened.pop(result if call == "openat" else None, None)
            return
        node = self.find(places[0])
        if call == "openat":
            if node is None and "O_CREAT" in args:
                self.link(places[0], False, begun, ended)
                node = self.find(places[0])
            if node is None and places[0] == (0, ""):
                node = 0
            if "O_TRUNC" in args:
                self.deed("cut", node, 0, None, begun, ended)
            self.opened[result] = {"node": node, "at": 0, "since": ended}
        elif call.startswith("mkdir"):
            self.link(places[0], True, begun, ended)
        elif call.startswith("rename"):
            folders = (places[0][0], places[1][0])
            self.deed("rename", node, 0, tuple(places), begun, ended, folders=folders)
        else:
            self.deed("unlink", node, 0, places[0], begun, ended, folders=(places[0][0],))

    def take(self, call, args, result, begun, ended):
        if call in ("openat", "mkdir", "mkdirat", "unlink", "unlinkat", "rmdir", "rename", "renameat", "renameat2"):
            self.named(call, args, result, begun, ended)
            return
        descriptor = int(re.match(r"\d+", args).group(0))
        if call == "write" and descriptor == 1:
            self.deeds.append(Deed("told", None, 0, strings(args)[0].decode(), begun, ended))
            return
        file = self.opened.get(descriptor)
        if file is None:
            return
        if call == "close":
            # Another thread may have been given the number before this one returned.
            if file["since"] < begun:
                del self.opened[descriptor]
        elif call in ("write", "pwrite64"):
            found = STRING.search(args)
            payload = plain(found.group(1))[:result]
            assert found.group(2) is None and len(payload) == result, "a write was recorded in part"
            offset = int(args.rsplit(",", 1)[1]) if call == "pwrite64" else file["at"]
            if call == "write":
                file["at"] += result
            self.deed("write", file["node"], offset, payload, begun, ended)
        elif call in ("fsync", "fdatasync"):
            self.deed("sync", file["node"], 0, None, begun, ended)
        elif call == "sync_file_range":
            words = [word.strip() for word in args.split(",")]
            self.deed("range", file["node"], int(words[1], 0), int(words[2], 0), begun, ended)
        elif call == "ftruncate":
            self.deed("cut", file["node"], int(args.rsplit(",", 1)[1], 0), None, begun, ended)


def deeds_of(trace, home):
    found = Record(home)
    for begun, ended, text in whole_calls(trace):
        parsed = re.match(r"(\w+)\((.*)\)\s+=\s+(-?\d+)", text, re.S)
        if parsed and int(parsed.group(3)) >= 0:
            found.take(parsed.group(1), parsed.group(2), int(parsed.group(3)), begun, ended)
    return found.deeds


class File:
    def __init__(self):
        self.data = bytearray()
        self.size = 0

    def put(self, offset, payload):
        end = offset + len(payload)
        if len(self.data) < end:
            self.data.extend(bytes(end - len(self.data)))
        self.data[offset:end] = payload
        self.size = max(self.size, end)

    def cut(self, size):
        del self.data[size:]
        self.data.extend(bytes(size - len(self.data)))
        self.size = size


def names(past, syncs, synced_until, picture, kind, dice):
    """The names that could be on the disk."""
    any_until = max((deed.begun for deed in syncs), default=-1)
    tree = Tree()
    changes = [deed for deed in past if deed.kind in ("link", "unlink", "rename")]

    def lasts(deed):
        if kind == "journal":
            return deed.ended <= any_until
        return all(deed.ended <= synced_until.get(folder, -1) for folder in deed.folders)

    open_ones = [deed for deed in changes if not lasts(deed)]
    if picture != "random":
        also = set()
    elif kind == "journal":
        also = {id(deed) for deed in open_ones[: dice.randint(0, len(open_ones))]}
    else:
        also = {id(deed) for deed in open_ones if dice.random() < 0.5}
    for deed in changes:
        if lasts(deed) or id(deed) in also:
            tree.change(deed)
    return tree


def contents(past, synced_until, picture, dice):
    """What could be on the disk of each file."""
    ranges, files = {}, {}
    for deed in past:
        if deed.kind == "range":
            ranges.setdefault(deed.node, []).append(deed)
    for deed in past:
        if deed.kind == "write":
            file = files.setdefault(deed.node, File())
            end = deed.offset + len(deed.data)
            safe = deed.ended <= synced_until.get(deed.node, -1)
            if not safe and picture != "synced":
                safe = any(
                    asked.offset <= deed.offset and end <= asked.offset + asked.data and asked.begun >= deed.ended
                    for asked in ranges.get(deed.node, []))
            if safe:
                file.put(deed.offset, deed.data)
            elif picture == "random":
                at = 0
                while at < len(deed.data):
                    step = min(BLOCK - (deed.offset + at) % BLOCK, len(deed.data) - at)
                    if dice.random() < 0.5:
                        file.put(deed.offset + at, deed.data[at : at + step])
                    at += step
        elif deed.kind == "cut" and deed.ended <= synced_until.get(deed.node, -1):
            files.setdefault(deed.node, File()).cut(deed.offset)
    return files


def draw(deeds, last, picture, kind, out, dice):
    """Writes into `out` what could be on the disk right after deed number `last`."""
    now = deeds[last].ended
    past = [deed for deed in deeds[: last + 1] if deed.ended <= now]
    syncs = [deed for deed in past if deed.kind == "sync"]
    synced_until = {}
    for deed in syncs:
        synced_until[deed.node] = max(synced_until.get(deed.node, -1), deed.begun)
    tree = names(past, syncs, synced_until, picture, kind, dice)
    files = contents(past, synced_until, picture, dice)
    shutil.rmtree(out, ignore_errors=True)

    def write(folder, place):
        os.makedirs(place)
        for name, node in tree.entries.get(folder, {}).items():
            if node in tree.entries:
                write(node, place + "/" + name)
            else:
                file = files.get(node, File())
                with open(place + "/" + name, "wb") as target:
                    target.write(file.data[: file.size])

    write(0, out)


def main():
    points, seconds, seed = [int(word) for word in (sys.argv[1:] + ["60", "3", "1"][len(sys.argv) - 1:])][:3]
    binary = os.environ.get("POWERCUT_BINARY") or build()
    home = tempfile.mkdtemp(prefix="powercut-")
    data, trace = home + "/data", home + "/trace"
    record(binary, data, trace, seconds)
    deeds = deeds_of(trace, home)
    os.remove(trace)
    shutil.rmtree(data)
    told = [number for number, deed in enumerate(deeds) if deed.kind == "told"]
    renames = [number for number, deed in enumerate(deeds) if deed.kind == "rename" and deed.data[0][1].startswith("store")]
    copies = sum(1 for number in renames if deeds[number].data[0][1] == "store.copy")
    folders = {deed.node: deed.data[1] for deed in deeds if deed.kind == "link" and deed.offset}
    blobs = sum(1 for deed in deeds if deed.kind == "link" and folders.get(deed.data[0]) == "blobs")
    print(f"{len(deeds)} calls recorded, {len(told)} acknowledgements, {copies} copies put in place, {blobs} files beside the log")
    assert blobs == 0, "the store wrote a value into a file that is never synced"
    assert copies > 0, "no copy took the store's place: let it run for longer"
    dice = random.Random(seed)
    # A third of the points right after an acknowledgement, a third around the swap of a copy, the rest anywhere.
    near = sorted({at for number in renames for at in range(number - 4, number + 9) if told[0] < at < len(deeds)})
    anywhere = [number for number, deed in enumerate(deeds) if deed.kind != "told" and number > told[0]]
    third = max(1, points // 3)
    cuts = dice.sample(told, min(third, len(told))) + dice.sample(near, min(third, len(near)))
    cuts += dice.sample(anywhere, min(max(0, points - len(cuts)), len(anywhere)))
    outcome, checked, worst = Counter(), 0, 0.0
    for cut in sorted(cuts):
        acknowledged = "".join(deed.data for deed in deeds[: cut + 1] if deed.kind == "told")
        for kind in KINDS:
            for picture in PICTURES:
                draw(deeds, cut, picture, kind, home + "/cut", random.Random(cut))
                begun = time.monotonic()
                read = subprocess.run(
                    [binary, "reader", home + "/cut/data"], input=acknowledged, capture_output=True, text=True, timeout=300)
                worst = max(worst, time.monotonic() - begun)
                whole = re.search(r"whole (\d+)", read.stdout)
                if read.returncode == 0 and whole:
                    outcome[kind, picture, "whole"] += 1
                    checked += int(whole.group(1))
                else:
                    outcome[kind, picture, "BAD"] += 1
                    print(f"cut {cut} {kind} {picture}: {read.stderr.strip()[-400:]}")
    shutil.rmtree(home)
    for kind in KINDS:
        for picture in PICTURES:
            print(f"{kind} {picture}: {outcome[kind, picture, 'whole']} whole, {outcome[kind, picture, 'BAD']} bad")
    print(f"{checked} acknowledged events were looked for, in {sum(outcome.values())} states; slowest opening {worst:.2f} s")
    sys.exit(any(count for (_, _, word), count in outcome.items() if word == "BAD"))


main()
