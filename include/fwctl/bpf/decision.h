/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the stages hand on: the reason, which implies the verdict, and the rule whose counter it is.
 */
#ifndef FWCTL_BPF_DECISION_H
#define FWCTL_BPF_DECISION_H

#include <linux/types.h>

#include "fwctl/abi/reason.h"

/* A stage that answers this leaves the packet to the next one. */
enum { FW_UNDECIDED = 0xff };

struct fw_decision {
	__u8 reason; /* enum fw_reason */
	__u32 rule;  /* index of its counters, or FW_NO_RULE */
};

static __always_inline enum fw_verdict fw_verdict_of(__u8 reason)
{
	/* Bit i: reason i drops. A constant, so that no table is read. */
#define X(id, verdict, name, text) | (__u64)(verdict) << FW_REASON_##id
	const __u64 dropping = 0 FW_REASONS(X);
#undef X

	return (dropping >> (reason & 63)) & 1 ? FW_DROP : FW_PASS;
}

#endif
