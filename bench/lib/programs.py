# SPDX-License-Identifier: MIT
"""Programs as Debian has them, with libvgetrandom preloaded and without, and why they gain what
they gain.

Each is a worker, so the engine times them like all others. The reason comes from strace: how
often the kernel is asked for one request of the program, without libvgetrandom and with it; and
by whom, if it still is with it.
"""

import glob
import os
import re
import shutil
import subprocess
import tempfile
from typing import NamedTuple

import places
from engine import Plan
from places import LIBRARY

HERE = os.path.join(places.TOP, "bench/programs")
NEVER = 0.001
PATIENCE = 120
# As many times as long: a request's way to the program and back takes its time.
DIALOGUE_SLICES = 20


class Program(NamedTuple):
    """A request of a program.

    package: Debian's; does: the request, for people; command: its worker; is_run: each request
    runs the program anew; prepare: what has to be done first, with a directory; False: it cannot.
    """
    package: str
    does: str
    command: list
    is_run: bool = False
    prepare: object = None


def _script(name, *arguments):
    return [os.path.join(HERE, "worker." + name), *arguments]


def _python(does):
    return Program("python3", does, ["/usr/bin/python3", *_script("py", does)])


def _ruby(does):
    return Program("ruby", does, ["ruby", *_script("rb", does)])


def _perl(package, module, does, call=None):
    return Program(package, does, ["perl", *_script("pl", module, call or does)])


def _php(package, does):
    return Program(package, does, ["php", *_script("php", does)])


def _node(does):
    return Program("nodejs", does, ["node", *_script("js", does)])


def _dialogue(package, does, request, command, prepare=None):
    return Program(package, does, ["/usr/bin/python3", os.path.join(HERE, "command.py"),
                                   "--dialogue", request, *command], prepare=prepare)


def _run(package, does, *command):
    return Program(package, f"{does}, a run of it",
                   ["/usr/bin/python3", os.path.join(HERE, "command.py"), *command], is_run=True)


def _build_go(directory):
    env = {**os.environ, "HOME": directory, "GOCACHE": os.path.join(directory, "cache")}
    return not subprocess.run(["go", "build", "-o", os.path.join(directory, "go-worker"),
                               *_script("go")], env=env, check=False,
                              capture_output=True).returncode


# It refuses to be root's.
AS_POSTGRES = [] if os.getuid() else ["setpriv", "--reuid=postgres", "--regid=postgres",
                                      "--clear-groups"]
POSTGRES = max(glob.glob("/usr/lib/postgresql/*/bin"), default="/usr/lib/postgresql/bin")


def _init_postgres(directory):
    # One for each server: both run at the same time.
    for variant in (False, True):
        data = os.path.join(directory, f"postgres-{variant}")
        os.mkdir(data)
        if not os.getuid() and subprocess.run(["chown", "postgres:", data], check=False,
                                              capture_output=True).returncode:
            return False
        if subprocess.run([*AS_POSTGRES, f"{POSTGRES}/initdb", "-N", "-D", data], check=False,
                          capture_output=True, cwd=directory).returncode:
            return False
    return True


# In a command DIRECTORY is the one that its preparation got, and PRELOAD is True or False.
PROGRAMS = (
    _python("os.urandom(16)"), _python("os.urandom(4096)"), _python("uuid.uuid4()"),
    _python("secrets.token_hex(16)"), _python("secrets.randbelow(1000000)"),
    _ruby("SecureRandom.hex(16)"), _ruby("SecureRandom.uuid"), _ruby("Random.urandom(4096)"),
    _perl("libuuid-perl", "UUID", "UUID::generate_random()", "UUID::generate_random($id)"),
    _perl("libbsd-arc4random-perl", "BSD::arc4random", "BSD::arc4random::arc4random()"),
    _perl("libcrypt-urandom-perl", "Crypt::URandom", "Crypt::URandom::urandom(16)"),
    _php("php-cli", "sodium_crypto_secretbox_keygen()"), _php("php-cli", "random_bytes(16)"),
    _php("php-cli", "random_int(1, 1000000)"), _php("php-uuid", "uuid_create(UUID_TYPE_RANDOM)"),
    _node("crypto.randomBytes(16)"), _node("crypto.randomUUID()"),
    Program("golang-go", "rand.Read() of 16 bytes", ["DIRECTORY/go-worker"], prepare=_build_go),
    _dialogue("sqlite3", "randomblob(16)", "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT "
              "i + 1 FROM n LIMIT CALLS) SELECT 'done:' || total(length(randomblob(16))) FROM n;",
              ["sqlite3", "-interactive", ":memory:"]),
    _dialogue("postgresql", "SELECT gen_random_uuid()", "SELECT 'done:' || "
              "count(gen_random_uuid()) FROM generate_series(1, CALLS)",
              [*AS_POSTGRES, f"{POSTGRES}/postgres", "--single", "-D",
               "DIRECTORY/postgres-PRELOAD", "postgres"], _init_postgres),
    _run("coreutils", "true", "/usr/bin/true"),
    _run("openssl", "openssl rand", "openssl", "rand", "-hex", "16"),
    _run("uuid-runtime", "uuidgen -r", "uuidgen", "-r"),
    _run("coreutils", "mktemp -u", "mktemp", "-u"),
    _run("coreutils", "shuf -i 1-1000", "shuf", "-i", "1-1000"),
)


def _command(program, preload):
    return [word.replace("PRELOAD", str(preload)) for word in program.command]


def _version(package):
    """Without what is Debian's in it."""
    found = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", package], check=False,
                           text=True, capture_output=True).stdout
    return re.split(r"[-+~]", found.partition(":")[2] or found)[0] or "unknown"


def _work(command, calls):
    """A worker's run with a request for so many calls, or None if it fails."""
    try:
        done = subprocess.run(command, input=f"time 0 {calls} 1 0\n", text=True, check=False,
                              capture_output=True, errors="replace", timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        return None
    return done if not done.returncode and done.stdout.count("\n") == 2 else None


class Tracer:
    """What strace sees of a program's requests."""

    def __init__(self, program, directory, library):
        self._program = program
        self._preload = "LD_PRELOAD=" + library
        self._calls = 1 if program.is_run else 2000
        self._trace = os.path.join(directory, "trace")

    def _lines(self, calls, preload, *options):
        env = ["-E", self._preload] if preload else []
        if not _work(["strace", "-f", "-qq", "-y", *options, *env, "-e", "trace=getrandom,read",
                      "-e", "signal=none", "-o", self._trace,
                      *_command(self._program, preload)], calls):
            raise OSError("strace does not work here")
        with open(self._trace, encoding="utf-8", errors="replace") as file:
            return file.read().splitlines()

    def asked(self, preload):
        """How often a request makes the system call, and reads the device."""
        counts = []
        for calls in (0, self._calls):
            lines = self._lines(calls, preload)
            counts.append([sum(bool(re.search(what, line)) for line in lines) for what in
                           (r" getrandom\(", r" read\(\d+</dev/u?random>")])
        return [(some - none) / self._calls for none, some in zip(*counts)]

    def caller(self):
        """Which function makes the last of its system calls with the library."""
        lines = self._lines(min(self._calls, 400), True, "-k")
        frames = [after for before, after in zip(lines, lines[1:]) if " getrandom(" in before]
        return frames[-1] if frames else ""

    def calls_arc4random(self):
        """Whether it is the library that it calls then."""
        done = _work(["env", "LD_DEBUG=bindings", self._preload,
                      *_command(self._program, True)], 1)
        return bool(done and re.search(r"to .*/libvgetrandom\.so.*symbol .arc4random",
                                       done.stderr))


def _reason(program, tracer, without, calls_with):
    calls, reads = without
    if program.is_run:
        return "it is mostly its start, and to load a library more takes time"
    if calls > 0.05 and calls_with < calls / 2:
        return "it asks by libc"
    if reads > NEVER:
        return "it reads /dev/urandom"
    if calls <= 0.05:
        return "it calls arc4random() of libbsd, which is replaced" if tracer.calls_arc4random() \
            else "it has a generator of its own"
    caller = tracer.caller()
    if "(syscall+" in caller:
        return "it makes the system call by syscall(2)"
    if re.search(r"/libc[.-].*\(getrandom\+", caller):
        return "it loads modules with RTLD_DEEPBIND: libc goes first"
    return "it makes the system call itself, without libc"


def _explain(program, directory, library):
    tracer = Tracer(program, directory, library)
    try:
        without = tracer.asked(False)
        calls_with = tracer.asked(True)[0]
        why = _reason(program, tracer, without, calls_with)
    except OSError as error:
        return {"asked_without": None, "asked_with": None, "why": f"unknown: {error}"}
    return {"asked_without": round(without[0], 2), "asked_with": round(calls_with, 2), "why": why}


def _ready(program, directory):
    """With the directory in its command; None if the program is not there, or does not work."""
    ready = program._replace(command=[word.replace("DIRECTORY", directory)
                                      for word in program.command])
    try:
        if (not program.prepare or program.prepare(directory)) and \
           _work(_command(ready, False), 1):
            return ready
    except OSError:
        pass
    print(f"{program.package}: {program.does} is left out: the package is not there, or does not "
          "work")
    return None


def _is_dialogue(program):
    return "--dialogue" in program.command


def _time(chosen, library, rounds, slice_ms):
    """Without the library and with it, in turns."""
    plan = Plan()
    for program in chosen:
        for preload in (False, True):
            worker = plan.worker(_command(program, preload),
                                 {"LD_PRELOAD": library} if preload else {})
            plan.time(worker, 0)
    return plan.run(rounds, slice_ms) if chosen else []


def packages():
    """All that is needed to measure them all."""
    return sorted({program.package for program in PROGRAMS} | {"strace"})


def measure(rounds, slice_ms):
    """Rows, of those that are there."""
    os.environ.pop("LD_PRELOAD", None)
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        # Programs that run as another user can read it there.
        library = shutil.copy(LIBRARY, directory)
        there = [ready for program in PROGRAMS for ready in [_ready(program, directory)] if ready]
        there.sort(key=_is_dialogue)
        found = [row for dialogues in (False, True)
                 for row in _time([program for program in there
                                   if _is_dialogue(program) == dialogues], library, rounds,
                                  slice_ms * (DIALOGUE_SLICES if dialogues else 1))]
        if len(found) != 2 * len(there):
            places.die("a program that has worked does not work any more")
        rows = []
        for program, without, with_library in zip(there, found[::2], found[1::2]):
            rows.append({"where": "native", "program": program.package,
                         "version": _version(program.package), "does": program.does,
                         "without": without["ns"], "with": with_library["ns"],
                         **_explain(program, directory, library)})
        return rows
