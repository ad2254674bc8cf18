# SPDX-License-Identifier: MIT
"""Debian's programs with and without libvgetrandom; what reaches each program, or why nothing
does.

Each program is a worker, so the engine times it like any other. It runs in each of these ways that
applies to it:

    none      without libvgetrandom
    preload   as "vgetrandom run" starts it
    provider  with the OpenSSL provider in its openssl.cnf
    example   with the example class for Java
    module    in the way that reaches it, with the page that vgetrandom.ko publishes

strace shows what reaches a program: per request and way, the number of getrandom() calls, reads of
the device, and getpid() calls of OpenSSL's generator; and the function that makes the system call.
"""

import glob
import os
import re
import shutil
import subprocess
import tempfile
from typing import NamedTuple

import contenders
import places
from engine import Plan
from places import LIBRARY

HERE = os.path.join(places.TOP, "bench/programs")
RARE = 0.001     # Up to this many events per request count as none.
WORKER_TIMEOUT_S = 120
# A time slice is longer by this factor, because sending a request to the program takes time.
DIALOGUE_SLICES = 20


WAYS = ("none", "preload", "provider", "example", "module")


class Program(NamedTuple):
    """A request of a program.

    package: the Debian package; does: the request, as shown to the reader; command: the worker,
    with RUN before the program itself; is_run: each request starts the program again; prepare: a
    function that gets a directory and prepares it, and returns False if it cannot; name: the name
    in README.md's table, or empty; has_example: an example class reaches it; note: a remark, and
    what helps if nothing reaches it.
    """
    package: str
    does: str
    command: list
    is_run: bool = False
    prepare: object = None
    name: str = ""
    has_example: bool = False
    note: str = ""


def _script(name, *arguments):
    return [os.path.join(HERE, "worker." + name), *arguments]


def _python(does, name=""):
    return Program("python3", does, ["RUN", "/usr/bin/python3", *_script("py", does)], name=name)


def _ruby(does, name=""):
    return Program("ruby", does, ["RUN", "ruby", *_script("rb", does)], name=name)


def _perl(package, module, does, call=None, **fields):
    return Program(package, does, ["RUN", "perl", *_script("pl", module, call or does)], **fields)


def _php(package, does, **fields):
    return Program(package, does, ["RUN", "php", *_script("php", does)], **fields)


def _node(does, **fields):
    return Program("nodejs", does, ["RUN", "node", *_script("js", does)], **fields)


def _rust(package, does, crate, **fields):
    return Program(package, does, ["RUN", "DIRECTORY/rust-worker", crate], prepare=_build_rust,
                   **fields)


def _dialogue(package, does, request, command, **fields):
    return Program(package, does, ["/usr/bin/python3", os.path.join(HERE, "command.py"),
                                   "--dialogue", request, *command], **fields)


def _run(package, does, *command, **fields):
    return Program(package, f"one run of {does}",
                   ["/usr/bin/python3", os.path.join(HERE, "command.py"), *command], is_run=True,
                   **fields)


def _done(*command, **options):
    """Whether the command succeeds."""
    return not subprocess.run(command, check=False, capture_output=True, **options).returncode


def _build_go(directory):
    env = {**os.environ, "HOME": directory, "GOCACHE": os.path.join(directory, "cache")}
    return _done("go", "build", "-o", os.path.join(directory, "go-worker"), *_script("go"),
                 env=env)


def _build_rust(directory):
    """With Debian's compiler and crates."""
    worker, build = (os.path.join(directory, name) for name in ("rust-worker", "rust"))
    if os.path.exists(worker):
        return True
    env = {**os.environ, "CARGO_HOME": os.path.join(build, ".cargo"), "HOME": build,
           "RUSTC": "/usr/bin/rustc", "CARGO_TARGET_DIR": os.path.join(build, "target")}
    return _done("/usr/bin/cargo", "build", "--quiet", "--release", "--offline", "--manifest-path",
                 shutil.copytree(os.path.join(HERE, "rust"), build) + "/Cargo.toml", env=env) and \
        bool(shutil.move(os.path.join(build, "target/release/worker"), worker))


JAVA = os.path.join(places.OUT, "openjdk-25")
# With Debian 13's loader and libraries, because nothing else that Java needs is newer than these.
RUN_JAVA = [os.path.join(contenders.GLIBC, "loader"), "--library-path",
            os.path.join(contenders.GLIBC, "libraries") + f":{JAVA}/libraries:DIRECTORY",
            f"{JAVA}/jre/bin/java", "--enable-native-access=ALL-UNNAMED"]


def _build_java(directory):
    return _done(os.path.join(places.TOP, "bench/get-debian13"), "java") and \
        _done(*[word.replace("DIRECTORY", directory) for word in RUN_JAVA],
              "-m", "jdk.compiler/com.sun.tools.javac.Main", "-d", directory,
              os.path.join(HERE, "Worker.java"),
              os.path.join(places.TOP, "tools/lib/vgetrandom/examples/VgetrandomProvider.java"))


def _make_certificate(directory):
    path = os.path.join(directory, "certificate")
    return _done("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                 "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=localhost", "-keyout",
                 path + ".key", "-out", path) and \
        _done("sh", "-c", "cat $0.key >>$0", path)


# PostgreSQL refuses to run as root.
AS_POSTGRES = [] if os.getuid() else ["setpriv", "--reuid=postgres", "--regid=postgres",
                                      "--clear-groups"]
POSTGRES = max(glob.glob("/usr/lib/postgresql/*/bin"), default="/usr/lib/postgresql/bin")


def _init_postgres(directory):
    # Data for each server: all servers run at the same time.
    for way in WAYS:
        data = os.path.join(directory, f"postgres-{way}")
        os.mkdir(data)
        if not os.getuid() and not _done("chown", "postgres:", data):
            return False
        if not _done(*AS_POSTGRES, f"{POSTGRES}/initdb", "-N", "-D", data, cwd=directory):
            return False
    return True


# In a command, DIRECTORY stands for the prepared directory, and WAY for the way it runs.
PROGRAMS = (
    _python("os.urandom(16)", "Python"), _python("os.urandom(4096)"), _python("uuid.uuid4()"),
    _python("secrets.token_hex(16)"), _python("secrets.randbelow(1000000)"),
    _python("ssl.RAND_bytes(16)"),
    _ruby("SecureRandom.hex(16)", "Ruby"), _ruby("SecureRandom.uuid"),
    _ruby("Random.urandom(4096)"), _ruby("OpenSSL::Random.random_bytes(16)"),
    _php("php-cli", "random_bytes(16)", name="PHP"),
    _php("php-cli", "random_int(1, 1000000)"),
    _php("php-cli", "openssl_random_pseudo_bytes(16)"),
    _php("php-cli", "sodium_crypto_secretbox_keygen()"),
    _php("php-uuid", "uuid_create(UUID_TYPE_RANDOM)",
         note="`random_bytes()` instead helps"),
    _node("crypto.randomBytes(16)", name="Node.js"),
    _node("crypto.randomUUID()", note="it draws bytes for 128 calls at once"),
    _rust("librust-getrandom-dev", "getrandom::getrandom(), 16 bytes", "getrandom",
          name="Rust, getrandom 0.2"),
    _rust("librust-uuid-dev", "Uuid::new_v4()", "uuid"),
    _rust("librust-rand-dev", "rand::thread_rng(), 16 bytes", "thread_rng",
          name="Rust, rand 0.8", note="there is nothing to gain"),
    Program("openjdk-25-jre-headless", "SecureRandom.nextBytes(), 16 bytes",
            ["RUN", *RUN_JAVA, "-cp", "DIRECTORY", "Worker", "WAY"], prepare=_build_java,
            name="Java", has_example=True,
            note="Java's generator reads /dev/urandom under a lock; the example calls the library"),
    Program("golang-go", "rand.Read() of 16 bytes", ["RUN", "DIRECTORY/go-worker"],
            prepare=_build_go, name="Go",
            note="Go 1.24 and later call the kernel's vDSO function"),
    _dialogue("postgresql", "SELECT gen_random_uuid()", "SELECT 'done:' || "
              "count(gen_random_uuid()) FROM generate_series(1, CALLS)",
              # With less memory, PostgreSQL would write the rows of many calls to a file.
              [*AS_POSTGRES, "RUN", f"{POSTGRES}/postgres", "--single", "-c", "work_mem=1GB", "-D",
               "DIRECTORY/postgres-WAY", "postgres"], prepare=_init_postgres, name="PostgreSQL"),
    _dialogue("sqlite3", "randomblob(16)", "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT "
              "i + 1 FROM n LIMIT CALLS) SELECT 'done:' || total(length(randomblob(16))) FROM n;",
              ["RUN", "sqlite3", "-interactive", ":memory:"], name="SQLite",
              note="there is nothing to gain"),
    _perl("libuuid-perl", "UUID", "UUID::generate_random()", "UUID::generate_random($id)",
          note="Perl takes most of the time"),
    _perl("libbsd-arc4random-perl", "BSD::arc4random", "BSD::arc4random::arc4random()"),
    _perl("libcrypt-urandom-perl", "Crypt::URandom", "Crypt::URandom::urandom(16)",
          note="`BSD::arc4random` helps"),
    Program("python3", "a TLS handshake, both ends",
            ["RUN", "/usr/bin/python3", *_script("py", "handshake()", "DIRECTORY/certificate")],
            prepare=_make_certificate, name="Web servers, curl",
            note="most of a handshake is arithmetic"),
    _run("openssh-client", "ssh-keygen -t ed25519", "sh", "-c",
         "rm -f $0 && exec ssh-keygen -q -t ed25519 -N '' -f $0", "DIRECTORY/key-WAY",
         name="OpenSSH"),
    _run("openssl", "openssl rand", "openssl", "rand", "-hex", "16"),
    _run("gpg", "gpg --gen-random", "gpg", "--no-options", "--homedir", "DIRECTORY", "--gen-random",
         "1", "16"),
    _run("uuid-runtime", "uuidgen -r", "uuidgen", "-r"),
    _run("coreutils", "mktemp -u", "mktemp", "-u"),
    _run("coreutils", "shuf -i 1-1000", "shuf", "-i", "1-1000"),
    _run("coreutils", "true", "/usr/bin/true"),
    _run("busybox-static", "mktemp -u", "/bin/busybox", "mktemp", "-u",
         note="linking it with libvgetrandom.a helps"),
)


def _command(program, way):
    run = [os.path.join("DIRECTORY", "with_vdso"), "--page"] if way == "module" else []
    at = program.command.index("RUN") if "RUN" in program.command else 0
    words = program.command[:at] + run + program.command[at:]
    if way == "module" and program.has_example:
        way = "example"
    return [word.replace("WAY", way) for word in words if word != "RUN"]


class ProgramFiles:
    """A directory with copies of all files that programs load, readable by programs that run as
    another user."""

    def __init__(self, directory):
        self.directory = directory
        for path in (LIBRARY, contenders.WITH_VDSO):
            shutil.copy(path, directory)
        self._openssl, self._provider = contenders.openssl(directory)

    def words(self, program, way):
        """The program's command."""
        return [word.replace("DIRECTORY", self.directory) for word in _command(program, way)]

    def env(self, way, reached=""):
        """Additional environment variables. reached: what reaches the program, for the way
        "module"."""
        env = dict(self._openssl)
        if way in ("preload", "module"):
            env["LD_PRELOAD"] = os.path.join(self.directory, os.path.basename(LIBRARY))
        if way == "provider" or (way, reached) == ("module", "provider"):
            env |= self._provider
        return env

    def ways(self, program):
        """The ways in which the program can run, except "module"."""
        ways = ["none", "preload"]
        if self._provider and Tracer(program, self).loads_provider():
            ways.append("provider")
        return ways + ["example"] * program.has_example


def _version(package):
    """The upstream version, without Debian's additions."""
    if package.startswith("openjdk") and os.path.isfile(f"{JAVA}/jre/release"):
        with open(f"{JAVA}/jre/release", encoding="utf-8") as file:
            return re.search('JAVA_VERSION="(.*)"', file.read()).group(1)
    found = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", package], check=False,
                           text=True, capture_output=True).stdout
    return re.split(r"[-+~]", found.partition(":")[2] or found)[0] or "unknown"


def _work(command, calls, env=None):
    """Run a worker with one request for that many calls. Return None if it fails."""
    try:
        done = subprocess.run(command, input=f"time 0 {calls} 1 0\n", text=True, check=False,
                              capture_output=True, errors="replace", timeout=WORKER_TIMEOUT_S,
                              env={**os.environ, **(env or {})})
    except subprocess.TimeoutExpired:
        return None
    return done if not done.returncode and done.stdout.count("\n") == 2 else None


class Asked(NamedTuple):
    """Events per request: system calls, reads of the device, and checks for a fork, which only
    OpenSSL's generator makes every time."""
    getrandom: float
    device: float
    openssl: float


class Tracer:
    """What strace and the dynamic loader report about a program's requests."""

    EVENTS = (r" getrandom\(", r" read\(\d+</dev/u?random>", r" getpid\(")

    def __init__(self, program, files):
        self._is_run = program.is_run
        self._commands = {way: files.words(program, way) for way in WAYS}
        self._env = files.env
        self._calls = 2000
        self._trace = os.path.join(files.directory, "trace")

    def _work(self, prefix, calls, way, env):
        command = self._commands[way]
        if not self._is_run:
            return _work(prefix + command, calls, env)
        # Without the Python process that would start it.
        return subprocess.run(prefix + command[2:], check=False, text=True, errors="replace",
                              env={**os.environ, **env}, stdin=subprocess.DEVNULL,
                              capture_output=True)

    def _lines(self, calls, way, *options, events="getrandom,read,getpid"):
        env = [word for name, value in self._env(way).items()
               for word in ("-E", f"{name}={value}")]
        if not self._work(["strace", "-f", "-qq", "-y", *options, *env, "-e", f"trace={events}",
                           "-e", "signal=none", "-o", self._trace], calls, way, {}):
            raise OSError("strace does not work here")
        with open(self._trace, encoding="utf-8", errors="replace") as file:
            return file.read().splitlines()

    def asked(self, way):
        """Events per request."""
        counts = []
        for calls in (0, self._calls):
            lines = self._lines(calls, way)
            counts.append([sum(bool(re.search(what, line)) for line in lines)
                           for what in self.EVENTS])
        if self._is_run:
            return Asked(*counts[0])
        return Asked(*((some - none) / self._calls for none, some in zip(*counts)))

    def caller(self, way):
        """The function that makes its last getrandom() system call."""
        lines = self._lines(40, way, "-k")
        frames = [after for before, after in zip(lines, lines[1:]) if " getrandom(" in before]
        return frames[-1] if frames else ""

    def opens(self, way, name):
        """Whether the program opens a file, such as the library or the provider."""
        return any(name in line and " ENOENT " not in line
                   for line in self._lines(1, way, events="openat"))

    def loads_provider(self):
        """Whether it loads the provider that openssl.cnf names."""
        try:
            return self.opens("provider", contenders.PROVIDER)
        except OSError:
            return False

    def names(self):
        """The library's functions to which the loader binds the program."""
        done = self._work([], 1, "preload", {**self._env("preload"), "LD_DEBUG": "bindings"})
        return set(re.findall(r" to \S*/libvgetrandom\.so\S* .*symbol .(getrandom|getentropy|"
                              r"arc4random\w*)'", done.stderr)) if done else set()


LIBC, SYSCALL, PROVIDER, EXAMPLE, NOTHING = (
    "preloading", "`syscall()`", "OpenSSL provider", "example class", "nothing")


def _reached(program, tracer, asked):
    """What reaches the program. asked: the events in each way."""
    none, preload = asked["none"], asked["preload"]
    if program.has_example:
        return EXAMPLE
    if program.is_run:
        if "provider" in asked and asked["provider"].openssl < none.openssl:
            return PROVIDER
        return LIBC if tracer.names() else NOTHING
    if none.getrandom > 0.05:
        return NOTHING if preload.getrandom >= none.getrandom / 2 else \
            SYSCALL if "(syscall+" in tracer.caller("none") else LIBC
    if "provider" in asked and none.openssl > RARE:
        return PROVIDER if asked["provider"].openssl < none.openssl / 2 else NOTHING
    return LIBC if none.device <= RARE and any("arc4random" in name for name in tracer.names()) \
        else NOTHING


def _why(program, tracer, asked, reached):
    """Where the program's bytes come from, or why nothing reaches it."""
    none = asked["none"]
    if program.has_example:
        return ""
    if program.is_run:
        return "it is linked statically" \
            if not tracer.opens("preload", os.path.basename(LIBRARY)) else \
            "most of the time is its start-up" if none.getrandom else "it requests no random bytes"
    if none.getrandom <= 0.05:
        return "it calls `arc4random()`" if reached == LIBC else \
            "it draws from OpenSSL's generator" if "provider" in asked and \
            none.openssl > RARE else \
            "it reads /dev/urandom" if none.device > RARE else "it has its own generator"
    caller = tracer.caller("preload") if reached == NOTHING else ""
    return "it calls libc" if reached == LIBC else \
        "it calls libc's `syscall()`" if reached == SYSCALL or "(syscall+" in caller else \
        "it loads modules with RTLD_DEEPBIND, so libc comes first" \
        if re.search(r"/libc[.-].*\(getrandom\+", caller) else \
        "it makes the system call itself, without libc"


def _explain(program, files, ways):
    """The fields of a row, except times."""
    tracer = Tracer(program, files)
    try:
        asked = {way: tracer.asked(way) for way in ways}
        reached = _reached(program, tracer, asked)
        why = "; ".join(filter(None, (_why(program, tracer, asked, reached),
                                      program.note)))
    except OSError as error:
        return {"asked_without": None, "asked_with": None, "reached": "unknown",
                "why": f"unknown: {error}"}
    after = asked[_way(reached)]
    return {"asked_without": round(asked["none"].getrandom, 2),
            "asked_with": round(after.getrandom, 2), "reached": reached, "why": why}


def _way(reached):
    """The way of running that counts as "with libvgetrandom"."""
    return {PROVIDER: "provider", EXAMPLE: "example"}.get(reached, "preload")


def _is_usable(program, files):
    """Whether the program works, after preparing it."""
    try:
        if (not program.prepare or program.prepare(files.directory)) and \
           _work(files.words(program, "none"), 1):
            return True
    except OSError:
        pass
    print(f"{program.package}: {program.does} is left out: the package is missing or does not "
          "work; install it")
    return False


def _is_dialogue(program):
    return "--dialogue" in program.command


def _time(chosen, files, rounds, slice_ms):
    """Time the programs in all their ways, interleaved. chosen: programs, ways and what reaches
    them. Return each program's times by way."""
    plan, names = Plan(), []
    for program, ways, row in chosen:
        reached = _way(row["reached"])
        timed = [way for way in ways if way in ("none", "preload", reached)]
        if row["reached"] != NOTHING and not program.is_run:
            timed.append("module")
        for way in timed:
            worker = plan.worker(files.words(program, way), files.env(way, reached))
            plan.time(worker, 0, does=program.does, way=way)
            names.append((program, way))
    rows = plan.run(rounds, slice_ms) if chosen else []
    if len(rows) != len(names):
        places.die("a program stopped working during the measurement; run it again")
    return [{row["way"]: row["ns"] for row, (program, _) in zip(rows, names) if program is one}
            for one, *_ in chosen]


def packages():
    """The Debian packages needed to measure all programs. The JDK is downloaded separately."""
    return sorted({program.package for program in PROGRAMS if not program.has_example} |
                  {"cargo", "rustc", "strace"})


def measure(rounds, slice_ms):
    """The rows of all programs that work here."""
    for name in ("LD_PRELOAD", "OPENSSL_CONF"):
        os.environ.pop(name, None)
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        files = ProgramFiles(directory)
        chosen = []
        for program in PROGRAMS:
            if _is_usable(program, files):
                ways = files.ways(program)
                chosen.append((program, ways, _explain(program, files, ways)))
        chosen.sort(key=lambda one: _is_dialogue(one[0]))
        found = [times for dialogues in (False, True)
                 for times in _time([one for one in chosen if _is_dialogue(one[0]) == dialogues],
                                    files, rounds,
                                    slice_ms * (DIALOGUE_SLICES if dialogues else 1))]
        order = [program.does for program in PROGRAMS]
        rows = [{"where": "native", "program": program.package, "name": program.name,
                 "version": _version(program.package), "does": program.does,
                 "without": times["none"], "with": times[_way(row["reached"])],
                 "module": times.get("module"), "ways": times, **row}
                for (program, _, row), times in zip(chosen, found)]
        return sorted(rows, key=lambda row: order.index(row["does"]))
