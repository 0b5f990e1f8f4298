/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the program saw and decided, for one packet under BPF_PROG_TEST_RUN.
 *
 * Written only by a program that was loaded with `fw_tracing` set, which no attached one is.
 */
#ifndef FWCTL_ABI_TRACE_H
#define FWCTL_ABI_TRACE_H

#include <linux/types.h>

#include "fwctl/abi/assert.h"
#include "fwctl/abi/packet.h"
#include "fwctl/abi/reason.h"
#include "fwctl/abi/service.h"

/* What of a row did not hold. */
enum fw_row_part {
	FW_ROW_HELD = 0,
	FW_ROW_TRAITS = 1,   /* protocol, family, or that ports are known */
	FW_ROW_SELECTOR = 2, /* destination port, or ICMP type and code */
	FW_ROW_SOURCE = 3,
	FW_ROW_DESTINATION = 4,
	FW_ROW_WHERE = 5, /* interface or direction */
	FW_ROW_CONDITIONS = 6,
	FW_ROW_RATE = 7, /* all else held; noted behind FW_ROW_HELD */
};

enum { FW_MAX_TRACED_ROWS = 64 };

struct fw_traced_row {
	__u32 rule; /* index of its counters */
	__u8 part;  /* enum fw_row_part: what did not hold first */
	__u8 unused[3];
};

struct fw_trace {
	struct fw_packet packet;
	__u32 rule; /* index of its counters, or FW_NO_RULE */
	__u8 reason;
	__u8 assumed_state; /* written before: 1 + enum fw_flow_state, which the flow table is not asked for
			     */
	__u8 placed_why;    /* enum fw_placed_why, of a packet for a service */
	__u8 unused;
	__u32 row_count; /* all that were compared; the first FW_MAX_TRACED_ROWS are kept */
	__u32 backend;	 /* its number; 0: none */
	__u32 slot;	 /* of the service's ring */
	__u32 unused_2;
	__u64 clock; /* read, not written, where `fw_rehearses` is set: CLOCK_MONOTONIC in nanoseconds */
	struct fw_traced_row rows[FW_MAX_TRACED_ROWS];
};

#endif
