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

/* What the functions that send a packet on answer when they do not, beside the hook's own actions. */
enum {
	FW_HAND_ON = -1,   /* TC ingress can, or the kernel */
	FW_TO_KERNEL = -2, /* the kernel alone can */
	FW_DECIDED = -3,   /* nobody has to: the verdict of the reason is all */
};

enum { FW_ADDRESS_FAMILY_INET = 2, FW_ADDRESS_FAMILY_INET6 = 10 }; /* of sys/socket.h */

struct fw_decision {
	__u8 reason;	/* enum fw_reason */
	__u8 tier;	/* enum fw_tier_number: that the rule is of */
	__u8 bans;	/* not 0: the rule puts the source into a set */
	__u8 varies;	/* not 0: the next packet of the flow may be decided otherwise */
	__u32 rule;	/* index of its counters, or FW_NO_RULE */
	__u32 priority; /* of the rule */
};

static __always_inline enum fw_verdict fw_verdict_of(__u8 reason)
{
	/* Bit i: reason i has the verdict. Constants, so that no table is read. */
#define X(id, verdict, name, text) | (__u64)((verdict) == FW_DROP) << FW_REASON_##id
	const __u64 dropping = 0 FW_REASONS(X);
#undef X
#define X(id, verdict, name, text) | (__u64)((verdict) == FW_REDIRECT) << FW_REASON_##id
	const __u64 redirecting = 0 FW_REASONS(X);
#undef X

	if ((dropping >> (reason & 63)) & 1)
		return FW_DROP;
	return (redirecting >> (reason & 63)) & 1 ? FW_REDIRECT : FW_PASS;
}

#endif
