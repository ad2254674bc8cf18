# SPDX-License-Identifier: MIT
"""The contenders: the generators to compare, and the environment of each."""

import os
import shutil
import subprocess
from typing import NamedTuple

import places

WORKER = os.path.join(places.OUT, "worker")
WITH_VDSO = os.path.join(places.OUT, "with_vdso")
GLIBC = os.path.join(places.OUT, "glibc-2.41")
OPENSSL = os.path.join(places.OUT, "openssl-3.5")
PROVIDER = "ossl-modules/vgetrandom.so"

# Keeps libc and the loader from using wide registers, so that only the measured calls use them.
NARROW = {"GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX,-AVX2,-AVX512F,-AVX512VL,-AVX512BW,-XSAVE,"
                            "-XSAVEC,-AVX_Fast_Unaligned_Load", "LD_BIND_NOW": "1"}


class Contender(NamedTuple):
    """A contender.

    name: for messages if it is absent; command: a worker, see worker.h; env: additional environment
    variables; where: a field of the row; call: the function; needs: a file, and why it may be
    missing; core: the core that libvgetrandom must use.
    """
    name: str
    command: list
    env: dict = {}
    where: str = "native"
    call: str = ""
    needs: tuple = ()
    core: str = ""


def hosted(image, core, name="vdso"):
    """This project's vDSO from an image, with one core."""
    return Contender(f"{name} {core}", [WORKER, "vdso", f"{core}:{image}"],
                     needs=(image, "the vDSO image is missing (make vdso)"))


def plain(*words, env=None):
    """A contender that needs nothing but the worker."""
    return Contender(" ".join(words), [WORKER, *words], env or {})


# Each function makes a contender in one environment. words: the worker's command line, see the
# CONTENDER() lines in C.

def _here(words):
    return Contender("", [WORKER, *words])


def _newer(words):
    loader = os.path.join(GLIBC, "loader")
    return Contender(", glibc 2.41", [loader, "--library-path", os.path.join(GLIBC, "libraries"),
                                      WORKER, *words],
                     needs=(loader, "glibc 2.41 is missing (bench/get-debian13 glibc says why)"))


def openssl(directory):
    """Two environments of programs that use OpenSSL: without the provider, and with it; {} if it is
    not built. Makes their files in a directory."""
    def command(word, config):
        return subprocess.run([os.path.join(directory, "vgetrandom"), "openssl", word, config],
                              check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                              env={**os.environ, **env}).returncode

    built = os.path.join(places.BUILD, "lib")
    os.makedirs(os.path.join(directory, os.path.dirname(PROVIDER)), exist_ok=True)
    env = {"LD_LIBRARY_PATH": directory}
    off, on = (shutil.copy("/etc/ssl/openssl.cnf", os.path.join(directory, f"{word}.cnf"))
               for word in ("off", "on"))
    if not os.path.exists(os.path.join(built, PROVIDER)):
        return {"OPENSSL_CONF": off}, {}
    # The command configures the provider in its own directory.
    for name in ("vgetrandom", PROVIDER):
        shutil.copy(os.path.join(built, name), os.path.join(directory, name))
    shutil.copy(places.LIBRARY, os.path.join(directory, "libvgetrandom.so.0"))
    # The system's configuration may have the provider on or off.
    for config in (off, on):
        command("off", config)
    if command("on", on):
        places.die("the OpenSSL provider cannot be turned on")
    return {"OPENSSL_CONF": off}, {"OPENSSL_CONF": on, **env}


def _openssl(words):
    """OpenSSL 3.5, with the glibc that it needs."""
    made = _newer(words)
    libraries_of = os.path.join(OPENSSL, "libraries")
    path = f"{libraries_of}:{os.path.join(places.OUT, 'provider')}:{made.command[2]}"
    return made._replace(
        name=", OpenSSL 3.5", command=[*made.command[:2], path, *made.command[3:]],
        needs=(libraries_of, "OpenSSL 3.5 is missing (bench/get-debian13 openssl says why)"))


def _musl(words):
    return Contender(", musl", [WORKER + "-musl", *words],
                     needs=(WORKER + "-musl", "there was no musl-gcc at build time (musl-tools)"))


def _no_vdso(words):
    return Contender(", without a vDSO", [WITH_VDSO, "--none", WORKER, *words], where="no-vdso")


def _project_vdso(words):
    return Contender(", this project's vDSO", [WITH_VDSO, "--image", places.IMAGE, WORKER, *words],
                     where="our-vdso",
                     needs=(places.IMAGE, "the vDSO image is missing (make vdso)"))


def _module(words):
    return Contender(", module", [WITH_VDSO, "--page", WORKER, *words], where="module")


def _module_locked(words):
    return Contender(", module, states locked", [WITH_VDSO, "--page", "--no-droppable", WORKER,
                                                 *words], where="module-locked")


def _made(setting, words, call=None, preload=False, core="", large=""):
    """A worker in an environment, with or without libvgetrandom preloaded."""
    made = setting(words)
    env = {}
    if preload:
        library = places.LIBRARY if setting is not _musl else \
            os.path.join(places.BUILD, "lib-musl/libvgetrandom.so")
        env["LD_PRELOAD"] = library
        if not made.needs or os.path.exists(made.needs[0]):
            made = made._replace(needs=(library, "libvgetrandom is not built (make lib)"))
        if core:
            env["VGETRANDOM_CORE"] = core
        if large:
            env["VGETRANDOM_LARGE"] = large
    name = " ".join((["libvgetrandom"] if preload else []) + ([core] if core else []) + words)
    return made._replace(name=name + made.name, call=call or words[0], env=env, core=core)


def _rand_bytes():
    """RAND_bytes() of the system's OpenSSL and of 3.5: without the provider, with it, and with it
    and the module's page."""
    without, provider = openssl(os.path.join(places.OUT, "provider"))
    made = []
    for setting, where in ((_here, "native"), (_openssl, "openssl-3.5")):
        contender = _made(setting, ["RAND_bytes"])._replace(where=where, env=without)
        made.append(contender)
        contender = contender._replace(where="provider" if setting is _here else
                                       where + "-provider", name=contender.name + ", provider",
                                       env=provider)
        if not provider:
            contender = contender._replace(needs=(PROVIDER, "the provider is not built"))
        made += [contender, contender._replace(
            where=contender.where + "-module", name=contender.name + ", module",
            command=[WITH_VDSO, "--page", *contender.command],
            env={**provider, "LD_PRELOAD": places.LIBRARY})]
    return made


def libraries():
    """The functions that programs call, and libvgetrandom in place of each.

    The first two use the core that libvgetrandom chooses, and report its name.
    """
    cores = [core.name for core in places.cores()]
    return [
        _made(_here, ["getrandom"], preload=True),
        _made(_here, ["arc4random_buf"], preload=True),
        *(_made(_here, ["vgetrandom"], preload=True, core=core) for core in cores),
        *(contender for core in cores for contender in (
            hosted(places.IMAGE, core)._replace(where="our-vdso", call="__vdso_getrandom"),
            _made(_module, ["module"], call="getrandom", preload=True, core=core))),
        _made(_module_locked, ["module"], call="getrandom", preload=True),
        _made(_newer, ["getrandom"], preload=True),
        _made(_musl, ["getrandom"], preload=True),
        _made(_here, ["kernel-vdso"], call="__vdso_getrandom"),
        _made(_newer, ["getrandom"]),
        _made(_newer, ["arc4random_buf"]),
        _made(_here, ["getrandom"]),
        _made(_here, ["arc4random_buf"]),
        _made(_musl, ["getrandom"]),
        _made(_here, ["libbsd"], call="arc4random_buf"),
        *_rand_bytes(),
        _made(_here, ["randombytes_buf", "sysrandom"]),
        _made(_here, ["randombytes_buf", "internal"]),
        _made(_here, ["syscall"]),
        *(_made(_here, ["other-syscall"], preload=preload) for preload in (False, True)),
        _made(_here, ["least-call"]),
        _made(_no_vdso, ["vgetrandom"], preload=True),
        _made(_no_vdso, ["getrandom"]),
        _made(_no_vdso, ["syscall"]),
        _made(_project_vdso, ["vgetrandom"], preload=True),
        _made(_project_vdso, ["kernel-vdso"], call="__vdso_getrandom"),
    ]


def module():
    """libvgetrandom with the module's page and the core it chooses."""
    return _made(_module, ["module"], call="getrandom", preload=True)


def starts():
    """Libraries to preload into a starting process. For the module, a build of libvgetrandom reads
    the module's page from a file."""
    missing = "libvgetrandom is not built (make lib)"
    return [Contender(name, [WORKER, "start", f"{name}:{os.path.join(places.OUT, 'started')}"],
                      {"LD_PRELOAD": library} if library else {},
                      needs=(library, missing) if library else ())
            for name, library in (
                ("nothing", ""), ("empty", os.path.join(places.OUT, "empty.so")),
                ("libvgetrandom", places.LIBRARY),
                ("libvgetrandom, module", os.path.join(places.PAGED, "libvgetrandom.so")))]


def crossover():
    """libvgetrandom set to always expand a key, with each core, or never."""
    return [_made(setting, ["vgetrandom"], preload=True, core=core, large=large)
            for setting in (_here, _no_vdso)
            for core, large in [(core.name, "1") for core in places.cores()] + [("", "off")]]
