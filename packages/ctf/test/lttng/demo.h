/* The events of the program beside this: a field of each type that LTTng-UST has and rchan, too. */
#undef LTTNG_UST_TRACEPOINT_PROVIDER
#define LTTNG_UST_TRACEPOINT_PROVIDER demo
#undef LTTNG_UST_TRACEPOINT_INCLUDE
#define LTTNG_UST_TRACEPOINT_INCLUDE "./demo.h"
#if !defined(DEMO_H) || defined(LTTNG_UST_TRACEPOINT_HEADER_MULTI_READ)
#define DEMO_H
#include <lttng/tracepoint.h>
#include <stdint.h>

LTTNG_UST_TRACEPOINT_ENUM(demo, kind,
  LTTNG_UST_TP_ENUM_VALUES(
    lttng_ust_field_enum_value("none", 0)
    lttng_ust_field_enum_value("one \"or\" other", 1)
    lttng_ust_field_enum_range("some", 2, 5)
    lttng_ust_field_enum_value("minus", -3)))

LTTNG_UST_TRACEPOINT_EVENT(demo, all,
  LTTNG_UST_TP_ARGS(int64_t, n, const char *, s, uint16_t *, list, size_t, length),
  LTTNG_UST_TP_FIELDS(
    lttng_ust_field_integer(int8_t, i8, n) lttng_ust_field_integer(uint8_t, u8, n)
    lttng_ust_field_integer(int16_t, i16, n) lttng_ust_field_integer(uint16_t, u16, n)
    lttng_ust_field_integer(int32_t, i32, n) lttng_ust_field_integer(uint32_t, u32, n)
    lttng_ust_field_integer(int64_t, i64, n * 1234567890123) lttng_ust_field_integer(uint64_t, u64, n)
    lttng_ust_field_integer_hex(uint32_t, hex, n) lttng_ust_field_integer_network(uint32_t, network, n)
    lttng_ust_field_float(float, f32, n / 3.0f) lttng_ust_field_float(double, f64, n / 7.0)
    lttng_ust_field_string(string, s)
    lttng_ust_field_array(uint16_t, array, list, 3) lttng_ust_field_array_text(char, text, s, 5)
    lttng_ust_field_sequence(uint16_t, sequence, list, size_t, length)
    lttng_ust_field_sequence_text(char, cut, s, size_t, length)
    lttng_ust_field_enum(demo, kind, int, kind, n % 7)))
LTTNG_UST_TRACEPOINT_LOGLEVEL(demo, all, LTTNG_UST_TRACEPOINT_LOGLEVEL_WARNING)

LTTNG_UST_TRACEPOINT_EVENT(demo, none, LTTNG_UST_TP_ARGS(), LTTNG_UST_TP_FIELDS())
#endif
#include <lttng/tracepoint-event.h>
