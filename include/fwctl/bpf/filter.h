/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The packet's way, from hook to action. Include ctx_xdp.h or ctx_skb.h before it.
 *
 * Promises: an attachment that the current generation does not enable passes everything and counts nothing.
 */
#ifndef FWCTL_BPF_FILTER_H
#define FWCTL_BPF_FILTER_H

#include "fwctl/bpf/classify.h"
#include "fwctl/bpf/exit.h"
#include "fwctl/bpf/parse.h"

/* The built-in rule under whose name the parser drops. */
static __always_inline __u16 fw_parser_rule(__u8 reason)
{
	if (reason == FW_REASON_VLAN_DEPTH)
		return FW_RULE_VLAN_DEPTH;
	if (reason == FW_REASON_HEADER_CHAIN)
		return FW_RULE_HEADER_CHAIN;
	return FW_RULE_MALFORMED;
}

static __always_inline int fw_filter(fw_ctx *ctx, __u32 direction)
{
	struct fw_packet packet = {};
	struct fw_decision decision = {};
	const struct fw_generation *generation;
	const struct fw_control *now;
	__u32 zero = 0, half;

	now = bpf_map_lookup_elem(&control, &zero);
	if (!now)
		return FW_ACTION_PASS;
	half = *(const volatile __u64 *)&now->generation &
	       1; /* once: the packet belongs to this generation */
	generation = bpf_map_lookup_elem(&policy, &half);
	if (!generation || !generation->attachments[fw_slot & (FW_MAX_ATTACHMENTS - 1)].enabled)
		return FW_ACTION_PASS;

	decision.reason = fw_parse(ctx, &packet);
	if (decision.reason == FW_UNDECIDED)
		decision = fw_classify(&packet, generation, half, direction);
	else
		decision.rule = fw_parser_rule(decision.reason);
	return fw_exit(&packet, direction, decision);
}

#endif
