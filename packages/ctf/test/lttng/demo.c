/* Traces with LTTng-UST, on two threads: demo COUNT */
#define LTTNG_UST_TRACEPOINT_CREATE_PROBES
#define LTTNG_UST_TRACEPOINT_DEFINE
#include "demo.h"
#include <pthread.h>
#include <stdlib.h>

static void *trace(void *count) {
  uint16_t list[] = {1, 22, 333, 4444, 5};
  for (int64_t n = -3; n < *(int *)count; n++) {
    lttng_ust_tracepoint(demo, all, n, n % 2 ? "caf\xc3\xa9" : "plain", list, (size_t)(n & 3));
    if (n % 5 == 0) lttng_ust_tracepoint(demo, none);
  }
  return 0;
}

int main(int argc, char **argv) {
  int count = argc > 1 ? atoi(argv[1]) : 40;
  pthread_t thread;
  pthread_create(&thread, 0, trace, &count);
  trace(&count);
  return pthread_join(thread, 0);
}
