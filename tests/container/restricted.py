"""Becomes another program under restrictions of a systemd unit: run as `python restricted.py RESTRICTIONS PROGRAM ...`.

RESTRICTIONS is JSON: `calls` (names of the allowed system calls), `families` (numbers of the allowed address families),
`denies_write_execute`. It needs libseccomp, and no package, because it runs in the image.
"""

import ctypes
import errno
import json
import os
import sys

ALLOW = 0x7FFF0000
ERRNO = 0x00050000
EQUAL = 4
NO_NEW_PRIVILEGES, MEMORY_DENY_WRITE_EXECUTE = 38, 65  # prctl


class Argument(ctypes.Structure):
    """A condition on an argument of a system call: libseccomp's struct scmp_arg_cmp."""

    _fields_ = (
        ("index", ctypes.c_uint),
        ("operator", ctypes.c_int),
        ("value", ctypes.c_uint64),
        ("_unused", ctypes.c_uint64),
    )


def main(restrictions: str, *program: str) -> None:
    wanted = json.loads(restrictions)
    libc, seccomp = ctypes.CDLL(None, use_errno=True), ctypes.CDLL("libseccomp.so.2")
    seccomp.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(seccomp.seccomp_init(ctypes.c_uint32(ERRNO | errno.EPERM)))
    for name in wanted["calls"]:
        number = seccomp.seccomp_syscall_resolve_name(name.encode())
        if number < 0:
            continue  # of another architecture
        conditions = [Argument(0, EQUAL, family, 0) for family in wanted["families"]] if name == "socket" else [None]
        for condition in conditions:
            array = None if condition is None else ctypes.byref(condition)
            count = 0 if condition is None else 1
            check(seccomp.seccomp_rule_add_array(context, ctypes.c_uint32(ALLOW), number, count, array))
    check(libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0))
    if wanted["denies_write_execute"]:
        check(libc.prctl(MEMORY_DENY_WRITE_EXECUTE, 1, 0, 0, 0))
    check(seccomp.seccomp_load(context))
    os.execvp(program[0], program)


def check(status: int) -> None:
    if status != 0:
        sys.exit(f"a restriction cannot be applied: {status}")


if __name__ == "__main__":
    main(*sys.argv[1:])
