#!/usr/bin/env python3
"""Logs in with libpq 18, which gets this token in place of one from an issuer.

Arguments: the library, a connection string, the token. Prints what libpq would have asked the issuer with
(the URL of its metadata, the scope), and the user of the session.
"""

import ctypes
import sys

BEARER_TOKEN = 1  # PQAUTHDATA_OAUTH_BEARER_TOKEN


class Request(ctypes.Structure):
    """PGoauthBearerRequest of libpq-fe.h."""

    _fields_ = [
        ("openid_configuration", ctypes.c_char_p),
        ("scope", ctypes.c_char_p),
        ("wait", ctypes.c_void_p),
        ("cleanup", ctypes.c_void_p),
        ("token", ctypes.c_char_p),
        ("user", ctypes.c_void_p),
    ]


HOOK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(Request))


def main() -> int:
    library, conninfo, token = sys.argv[1:]
    token = token.encode()
    libpq = ctypes.CDLL(library)
    for name in ["PQconnectdb", "PQexec"]:
        getattr(libpq, name).restype = ctypes.c_void_p
    for name in ["PQerrorMessage", "PQgetvalue"]:
        getattr(libpq, name).restype = ctypes.c_char_p

    @HOOK
    def hook(kind, _connection, request):
        if kind != BEARER_TOKEN:
            return 0
        asked = request.contents
        print((asked.openid_configuration or b"").decode())
        print((asked.scope or b"").decode(), flush=True)
        asked.token = token
        return 1

    libpq.PQsetAuthDataHook(hook)
    connection = ctypes.c_void_p(libpq.PQconnectdb(conninfo.encode()))
    if libpq.PQstatus(connection) != 0:
        print(libpq.PQerrorMessage(connection).decode(), file=sys.stderr)
        return 1
    result = ctypes.c_void_p(libpq.PQexec(connection, b"select current_user"))
    print(libpq.PQgetvalue(result, 0, 0).decode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
