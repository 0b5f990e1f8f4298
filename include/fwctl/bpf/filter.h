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
static __always_inline __u32 fw_parser_rule(__u8 reason)
{
	if (reason == FW_REASON_VLAN_DEPTH)
		return FW_RULE_VLAN_DEPTH;
	if (reason == FW_REASON_HEADER_CHAIN)
		return FW_RULE_HEADER_CHAIN;
	return FW_RULE_MALFORMED;
}

static __always_inline const struct fw_generation *fw_current_generation(void)
{
	const struct fw_control *now;
	__u32 zero = 0, half;
	__u64 word;

	now = bpf_map_lookup_elem(&control, &zero);
	if (!now)
		return NULL;
	/* Read once: the packet belongs to this generation. */
	word = *(const volatile __u64 *)&now->word;
	half = fw_half_of(word, word >> 32 ? bpf_ktime_get_coarse_ns() : 0);
	if (fw_half)
		half = (fw_half - 1) & 1;
	return bpf_map_lookup_elem(&policy, &half);
}

static __always_inline int fw_filter(fw_ctx *ctx, __u32 direction)
{
	const struct fw_generation *generation = fw_current_generation();
	struct fw_packet packet = {.vlan_id = FW_NO_VLAN};
	struct fw_decision decision = {};

	if (!generation || !generation->attachments[fw_slot & (FW_MAX_ATTACHMENTS - 1)].enabled)
		return FW_ACTION_PASS;

	if (fw_tracing)
		fw_last.row_count = 0;
	decision.reason = fw_parse(ctx, &packet);
	if (decision.reason != FW_UNDECIDED) {
		decision.rule = fw_parser_rule(decision.reason);
		if (!(generation->disabled_parser_rules >> decision.rule & 1))
			return fw_exit(&packet, direction, decision);
	}
	decision = fw_classify(&packet, generation, direction);
	return fw_exit(&packet, direction, decision);
}

#endif
