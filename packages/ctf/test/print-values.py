"""Prints traces as JSON lines, with values of all types, as python3-bt2 decodes them. Arguments: trace folders.

A line is {"trace": i, "env": {...}}, {"trace": i, "stream": ..., "discarded_events": n},
{"trace": i, "stream": ..., "discarded_packets": n}, or an event. A value is one of
{"int": "decimal digits"}, {"real": "bytes of a big-endian double, in hexadecimal"}, {"text": ...},
{"enum": [labels, "number"]}, {"list": [...]}, {"struct": [[name, value], ...]}, {"variant": value}.
Run by the tests only.
"""

import json
import struct
import sys

import bt2


def labels_of(field):
    try:
        return sorted(field.labels)
    except (AttributeError, AssertionError):
        # For a number without label babeltrace2 2.0.4 has nothing but an assertion.
        return []


def value_of(field):
    if isinstance(field, bt2._StringFieldConst):
        # Field objects are used again, and in babeltrace2 2.0.4 an empty string then still has its old text,
        # with a length of 0 (https://review.lttng.org/c/babeltrace/+/4528).
        return {"text": str(field) if len(field) > 0 else ""}
    if isinstance(field, bt2._RealFieldConst):
        real = float(field)
        return {"real": "nan" if real != real else struct.pack(">d", real).hex()}
    if isinstance(field, bt2._EnumerationFieldConst):
        return {"enum": [labels_of(field), str(int(field))]}
    if isinstance(field, bt2._IntegerFieldConst):
        return {"int": str(int(field))}
    if isinstance(field, bt2._VariantFieldConst):
        return {"variant": value_of(field.selected_option)}
    if isinstance(field, bt2._StructureFieldConst):
        return {"struct": [[name, value_of(value)] for name, value in field.items()]}
    if isinstance(field, bt2._ArrayFieldConst):
        return {"list": [value_of(element) for element in field]}
    raise TypeError(type(field))


def cpu_of(packet):
    context = packet.context_field
    return int(context["cpu_id"]) if context is not None and "cpu_id" in context else -1


def line_of(message):
    if isinstance(message, bt2._EventMessageConst):
        event = message.event
        context = {}
        for fields in (event.packet.context_field, event.common_context_field, event.specific_context_field):
            if fields is not None:
                context.update((name, value_of(value)) for name, value in fields.items())
        payload = event.payload_field
        return {
            "ns": str(message.default_clock_snapshot.ns_from_origin),
            "cpu": cpu_of(event.packet),
            "id": event.cls.id,
            "name": event.cls.name,
            "context": context,
            "fields": [] if payload is None else [[name, value_of(value)] for name, value in payload.items()],
        }
    if isinstance(message, bt2._StreamBeginningMessageConst):
        env = message.stream.trace.environment
        return {"env": {name: str(value) for name, value in env.items()}}
    if isinstance(message, bt2._DiscardedEventsMessageConst):
        return {"stream": message.stream.name, "discarded_events": message.count}
    if isinstance(message, bt2._DiscardedPacketsMessageConst):
        return {"stream": message.stream.name, "discarded_packets": message.count}
    return None


for number, folder in enumerate(sys.argv[1:]):
    for message in bt2.TraceCollectionMessageIterator(folder):
        line = line_of(message)
        if line is not None:
            print(json.dumps({"trace": number, **line}))
