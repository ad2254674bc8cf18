#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A worker (see bench/worker.h) that evaluates a Python expression.

usage: worker.py EXPRESSION [CERTIFICATE]

With a certificate, the expression may be handshake().
"""

# pylint: disable=unused-import ; for the expression
import os
import secrets
import ssl
import sys
import time
import uuid

def handshake():
    """A TLS handshake in memory, with client and server in this process."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [client.wrap_bio(to_client, to_server),
            server.wrap_bio(to_server, to_client, server_side=True)]
    while ends:
        for end in list(ends):
            try:
                end.do_handshake()
                ends.remove(end)
            except ssl.SSLWantReadError:
                pass


if len(sys.argv) > 2:
    server, client = (ssl.SSLContext(end) for end in (ssl.PROTOCOL_TLS_SERVER,
                                                      ssl.PROTOCOL_TLS_CLIENT))
    server.load_cert_chain(sys.argv[2])
    client.check_hostname = False
    client.verify_mode = ssl.CERT_NONE
# pylint: disable=eval-used
call = eval("lambda: " + sys.argv[1])
print("{}", flush=True)
for line in sys.stdin:
    calls = range(int(line.split()[2]))
    start = time.perf_counter_ns()
    for _ in calls:
        call()
    ns = time.perf_counter_ns() - start
    print(ns, ns, 0, flush=True)
