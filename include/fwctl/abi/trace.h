/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the program saw and decided, for one packet under BPF_PROG_TEST_RUN.
 *
 * Written only by a program that was loaded with `trace` set, which no attached one is.
 */
#ifndef FWCTL_ABI_TRACE_H
#define FWCTL_ABI_TRACE_H

#include <linux/types.h>

#include "fwctl/abi/assert.h"
#include "fwctl/abi/packet.h"
#include "fwctl/abi/reason.h"

struct fw_trace {
	struct fw_packet packet;
	__u16 rule; /* index of its counters, or FW_NO_RULE */
	__u8 reason;
	__u8 unused[5];
};
FW_ASSERT_SIZE(struct fw_trace, 72);

#endif
