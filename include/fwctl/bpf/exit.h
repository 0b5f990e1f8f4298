/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Last stage, the only way out: counts the decision and turns it into the action of the hook.
 */
#ifndef FWCTL_BPF_EXIT_H
#define FWCTL_BPF_EXIT_H

#include "fwctl/bpf/count.h"
#include "fwctl/bpf/decision.h"
#include "fwctl/bpf/now.h"
#include "fwctl/bpf/tell.h"

static __always_inline void fw_trace_decision(const struct fw_packet *packet,
					      const struct fw_decision *decision)
{
	if (!fw_tracing)
		return;
	fw_last.packet = *packet;
	fw_last.rule = decision->rule;
	fw_last.reason = decision->reason;
}

static __always_inline void fw_count_decision(const struct fw_packet *packet, const struct fw_now *now,
					      const struct fw_decision *decision)
{
	__u32 reason = decision->reason, direction = now->direction;
	struct fw_counters *here = bpf_map_lookup_elem(&counters, &direction);

	/* clang 14 would compare one copy of the number and index with another, whose bound the verifier has
	 * not seen. */
	asm volatile("" : "+r"(reason));
	if (here && reason < FW_REASON_COUNT && !fw_silent)
		fw_count(&here->by_reason[reason], packet);
	if (decision->rule != FW_NO_RULE)
		fw_count_rule(decision->rule, packet);
	if (now->heard >> (reason & 63) & 1)
		fw_tell(packet, decision, now->number, direction);
	fw_trace_decision(packet, decision);
}

/* Not inlined, as what calls it has little room left on 6.1: 512 bytes for all functions that call each
 * other. */
static __noinline int fw_mark_done(fw_ctx *ctx, __u64 secret)
{
	struct fw_mark mark = {.secret = secret, .slot = fw_slot, .reason = FW_MARK_DONE};

	fw_ctx_write_mark(ctx, &mark);
	return FW_ACTION_PASS;
}

static __always_inline int fw_exit(fw_ctx *ctx, const struct fw_packet *packet, const struct fw_now *now,
				   const struct fw_decision *decision)
{
	fw_count_decision(packet, now, decision);
	if (fw_verdict_of(decision->reason) == FW_DROP)
		return FW_ACTION_DROP;
	return fw_hands_on ? fw_mark_done(ctx, now->secret) : FW_ACTION_PASS;
}

#endif
