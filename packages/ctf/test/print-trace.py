"""Prints traces as JSON lines, as python3-bt2 decodes them. Arguments: trace folders.

A line is {"trace": i, "env": {...}}, {"trace": i, "cpu": ..., "discarded_events": n},
{"trace": i, "cpu": ..., "discarded_packets": n}, or an event. Integers are decimal strings (JSON has no 64 bits),
reals are the hexadecimal bytes of a big-endian double. Run by the tests only.
"""

import json
import struct
import sys

import bt2


def value_of(field):
    if isinstance(field, bt2._StringFieldConst):
        # Field objects are used again, and in babeltrace2 2.0.4 an empty string then still has its old text,
        # with a length of 0 (https://review.lttng.org/c/babeltrace/+/4528).
        return str(field) if len(field) > 0 else ""
    if isinstance(field, bt2._RealFieldConst):
        real = float(field)
        return "nan" if real != real else struct.pack(">d", real).hex()
    return str(int(field))


def label_of(field):
    try:
        return "".join(field.labels)
    except (AttributeError, AssertionError):
        # The trace names no thread, or not this one; for the latter babeltrace2 2.0.4 has nothing but an assertion.
        return ""


def line_of(message):
    if isinstance(message, bt2._EventMessageConst):
        event = message.event
        # In a global trace the events say who wrote them, else the packets do.
        context = event.common_context_field or event.packet.context_field
        return {
            "time": str(message.default_clock_snapshot.value),
            "cpu": int(context["cpu_id"]),
            "generation": int(context["generation"]) if "generation" in context else -1,
            "threadId": int(context["thread_id"]),
            "threadName": label_of(context["thread_id"]),
            "id": str(event.cls.id),
            "name": event.cls.name,
            "fields": [[name, value_of(field)] for name, field in event.payload_field.items()],
        }
    if isinstance(message, bt2._StreamBeginningMessageConst):
        env = message.stream.trace.environment
        return {"env": {name: str(value) for name, value in env.items()}}
    if isinstance(message, bt2._DiscardedEventsMessageConst):
        return {"cpu": message.stream.id, "discarded_events": message.count}
    if isinstance(message, bt2._DiscardedPacketsMessageConst):
        return {"cpu": message.stream.id, "discarded_packets": message.count}
    return None


for number, folder in enumerate(sys.argv[1:]):
    for message in bt2.TraceCollectionMessageIterator(folder):
        line = line_of(message)
        if line is not None:
            print(json.dumps({"trace": number, **line}))
