"""Reads traces with babeltrace2: for each folder on standard input one line, `ok` or `refused`.

Each is read in a process of its own: there are damages at which the library aborts, or takes
without end; then the line is `none`.
"""
import os
import resource
import signal
import sys

import bt2

# Its messages go to the file descriptor.
os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def read(folder):
    for message in bt2.TraceCollectionMessageIterator(folder):
        if type(message) is bt2._EventMessageConst:
            payload = message.event.payload_field or ()
            for name in payload:
                str(payload[name])


for line in sys.stdin:
    child = os.fork()
    if child == 0:
        signal.alarm(5)
        resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30))
        try:
            read(line.rstrip("\n"))
        except Exception:
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        print("none", flush=True)
    else:
        print("ok" if os.WEXITSTATUS(status) == 0 else "refused", flush=True)
