"""Runs that are killed, stopped and doubled: the destination is absent or complete, and the next run succeeds."""
import os
import pathlib
import random
import shutil
import signal
import subprocess
import time

import checkpoint

MEGABYTES = 60


class Scene:
    def __init__(self, repaq, scratch):
        self.repaq, self.place = repaq, pathlib.Path(scratch) / "kills"
        self.place.mkdir()
        self.source, self.out, self.staging = self.place / "source", self.place / "out", self.place / ".out.repaq-staging"
        checkpoint.make_large(self.source, MEGABYTES)
        self.before = checkpoint.tree_hash(self.source)
        code, text = self.wait(self.start())
        if code != 0:
            raise SystemExit(f"FAIL kills: the undisturbed run ends with {code}: {text}")
        self.complete = checkpoint.tree_hash(self.out)
        start = time.monotonic()
        shutil.rmtree(self.out)
        self.wait(self.start())
        self.seconds = time.monotonic() - start

    def start(self, *more):
        return subprocess.Popen([self.repaq, "convert", str(self.source), str(self.out), "--to", "awq", "--threads", "1", *more], stdout=subprocess.DEVNULL,
                                stderr=subprocess.PIPE, env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"})

    @staticmethod
    def wait(process, timeout=60):
        _, text = process.communicate(timeout=timeout)
        return process.returncode, text.decode("utf-8", "replace")

    def clear(self):
        for path in (self.out, self.staging):
            shutil.rmtree(path, ignore_errors=True)

    def faults(self, staging_may_stay):
        """What is wrong on the disk after a run has ended."""
        found = []
        if self.out.exists() and checkpoint.tree_hash(self.out) != self.complete:
            found.append("the destination is there and not complete")
        if not staging_may_stay and self.staging.exists():
            found.append("the staging area stays")
        if checkpoint.tree_hash(self.source) != self.before:
            found.append("the input was changed")
        return found

    def next_run(self):
        """A run after the disturbed one; --force where that one was complete."""
        code, text = self.wait(self.start(*(["--force"] if self.out.exists() else [])))
        found = [] if code == 0 else [f"the next run ends with {code}: {text.strip()}"]
        if code == 0 and checkpoint.tree_hash(self.out) != self.complete:
            found.append("the next run writes something else")
        left = sorted(path.name for path in self.place.iterdir() if path.name not in ("source", "out"))
        return found + ([f"the next run leaves {left}"] if left else [])

    def wait_for_staging(self, process):
        """Until the first file is in it: then the run holds its lock."""
        limit = time.monotonic() + 20
        while not self.staging_has_files() and process.poll() is None and time.monotonic() < limit:
            time.sleep(0.0002)

    def staging_has_files(self):
        try:
            return any(self.staging.iterdir())
        except OSError:
            return False


def killed(scene, seed, count):
    """SIGKILL after a random part of a run's usual time."""
    generator, early = random.Random(seed), 0
    for index in range(count):
        scene.clear()
        delay = generator.uniform(0, scene.seconds * 1.1)
        process = scene.start()
        time.sleep(delay)
        early += process.poll() is None
        process.kill()
        scene.wait(process)
        found = scene.faults(staging_may_stay=True) + scene.next_run()
        if found:
            return [f"seed {seed}, run {index}, killed after {delay:.4f} s: {'; '.join(found)}"]
    return [] if early else ["no run was killed before its end"]


def killed_in_staging(scene, seed, count):
    """SIGKILL while the staging area is there: it stays, and the next run removes it."""
    generator, stayed = random.Random(seed), 0
    for index in range(count):
        scene.clear()
        process = scene.start()
        scene.wait_for_staging(process)
        time.sleep(generator.uniform(0, scene.seconds * 0.3))
        process.kill()
        scene.wait(process)
        stayed += scene.staging.exists()
        found = scene.faults(staging_may_stay=True) + scene.next_run()
        if found:
            return [f"seed {seed}, run {index}: {'; '.join(found)}"]
    return [] if stayed else ["no run was killed while it wrote"]


def killed_with_force(scene, seed, count):
    """SIGKILL while --force replaces: the old destination or the new one, whole."""
    generator = random.Random(seed)
    for index in range(count):
        scene.clear()
        scene.out.mkdir()
        (scene.out / "mine").write_text("old\n")
        old = checkpoint.tree_hash(scene.out)
        process = scene.start("--force")
        scene.wait_for_staging(process)
        time.sleep(generator.uniform(0.5, 1.1) * scene.seconds)
        process.kill()
        scene.wait(process)
        if not scene.out.exists() or checkpoint.tree_hash(scene.out) not in (old, scene.complete):
            return [f"seed {seed}, run {index}: the destination is neither the old one nor the new one"]
        found = scene.next_run()
        if found:
            return [f"seed {seed}, run {index}: {'; '.join(found)}"]
    return []


def stopped(scene, number, code):
    """A signal that asks for a stop: the exit code tells it, and nothing stays."""
    seen = 0
    for _ in range(8):
        scene.clear()
        process = scene.start()
        scene.wait_for_staging(process)
        process.send_signal(number)
        found, text = scene.wait(process)
        found = {-number: code}.get(found, found)
        if found not in (0, code):
            return [f"exit {found}, expected {code}: {text.strip()}"]
        if (found == 0) != scene.out.exists():
            return [f"exit {found}, and the destination is {'there' if scene.out.exists() else 'absent'}"]
        faults = scene.faults(staging_may_stay=False)
        if faults:
            return faults
        seen += found == code
    return [] if seen else ["every run was over before the signal"]


def stopped_with_force(scene):
    """The old destination survives a stop."""
    for _ in range(8):
        scene.clear()
        scene.out.mkdir()
        (scene.out / "mine").write_text("old\n")
        process = scene.start("--force")
        scene.wait_for_staging(process)
        process.send_signal(signal.SIGTERM)
        code, _ = scene.wait(process)
        names = sorted(path.name for path in scene.out.iterdir())
        if code != 0:
            return [] if names == ["mine"] and not scene.staging.exists() else [f"exit {code}: the old destination holds {names}"]
    return ["every run was over before the signal"]


def doubled(scene):
    """A second run to the same destination while one holds the staging area."""
    for _ in range(5):
        scene.clear()
        first = scene.start()
        scene.wait_for_staging(first)
        os.kill(first.pid, signal.SIGSTOP)
        try:
            if not scene.staging_has_files():
                continue
            code, text = scene.wait(scene.start())
            if code != 3 or "repaq: error: " not in text or "another run" not in text:
                return [f"the second run ends with {code}: {text.strip()}"]
        finally:
            os.kill(first.pid, signal.SIGCONT)
            code, text = scene.wait(first)
        if code != 0:
            return [f"the first run ends with {code}: {text.strip()}"]
        return scene.faults(staging_may_stay=False)
    return ["every first run was over too soon"]


def cases(repaq, scratch, seed):
    """(name, faults) of each case."""
    scene = Scene(repaq, scratch)
    yield "kill-at-random", killed(scene, seed, 12)
    yield "kill-while-staging", killed_in_staging(scene, seed + 1, 8)
    yield "kill-with-force", killed_with_force(scene, seed + 2, 10)
    yield "stop-by-sigint", stopped(scene, signal.SIGINT, 130)
    yield "stop-by-sigterm", stopped(scene, signal.SIGTERM, 143)
    yield "stop-with-force", stopped_with_force(scene)
    yield "two-runs-to-one-destination", doubled(scene)
    shutil.rmtree(scene.place)
