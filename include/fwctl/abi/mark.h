/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Marks of packets. What XDP tells TC ingress of one, in front of the frame (bpf_xdp_adjust_meta): that it
 * was judged, or what is left to be done. And what the agent tells TC egress of its health checks.
 *
 * Promises: all of the former follows from the packet's flow and the generation, so that GRO can put packets
 * together. TC ingress wipes it: the secret goes no further, and nobody behind can forge one.
 */
#ifndef FWCTL_ABI_MARK_H
#define FWCTL_ABI_MARK_H

#include <linux/types.h>

#include "fwctl/abi/assert.h"

struct fw_mark {
	__u64 secret;	  /* fw_control.secret */
	__u32 generation; /* that judged; see struct fw_now */
	__u32 rule;	  /* index of its counters */
	__u32 priority;	  /* of the rule */
	__u16 slot;	  /* of the attachment */
	__u8 reason; /* enum fw_reason, to be carried out and counted; FW_MARK_DONE: passes, and is counted */
	__u8 tier;   /* enum fw_tier_number: that the rule is of; FW_MARK_UNPACKED and FW_MARK_BEGUN */
};
FW_ASSERT_SIZE(struct fw_mark, 24);
enum {
	FW_MARK_DONE = 0xff,
	FW_MARK_UNPACKED = 0x80,
	FW_MARK_BEGUN = 0x40, /* XDP may carry out what it decides, and has begun to: a flow is counted */
};

/*
 * SO_MARK of the agent's health checks that go to the address of a service, and are for this backend of it
 * (enum fw_asked, FW_ASKED_CHECK). Of another part of the secret than the mark of our own answers: who may
 * see the one cannot make the other.
 */
static inline __u32 fw_check_mark(__u64 secret, __u32 backend)
{
	return (__u32)(secret >> 32) ^ backend;
}

#endif
