/* SPDX-License-Identifier: GPL-2.0-only */
/* What tells one packet of the benchmark from the next: read by vary.bpf.c, written by flows.cpp. */
#ifndef FWCTL_BENCH_FLOW_H
#define FWCTL_BENCH_FLOW_H

#include <linux/types.h>

/* Network byte order. */
struct bench_flow {
    __u32 source; /* IPv4 */
    __u32 destination;
    __u32 layer4; /* its first four bytes: ports, or type, code and checksum */
    __u8 protocol;
    __u8 family; /* 4 or 6 */
    __u16 tcp_flags;
};

/* Of an IPv6 flow, under the same index; apart, so that IPv4 flows take one line of the cache for four. */
struct bench_ipv6 {
    __u32 source[4];
    __u32 destination[4];
};

enum {
    BENCH_FLOWS = 1 << 20,
    BENCH_FRAME = 14 + 40 + 20, /* Ethernet, IPv6, TCP; IPv4 packets are followed by padding */
    BENCH_PAYLOAD = 20,         /* the TCP header */
};

struct bench_clock {
    __u32 turn;
    __u32 mask;  /* flows in use - 1 */
    __u32 fresh; /* the bits of the turn that change the source port, and above 16 the address: 0, or all */
    __u32 restores; /* the programs under test put headers in front: take them away again */
    __u32 first;    /* turns at which the clock is read */
    __u32 last;
    __u64 began; /* nanoseconds */
    __u64 ended;
};

#endif
