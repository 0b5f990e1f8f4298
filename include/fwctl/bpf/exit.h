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

/* `action`: the hook's. `how`: of enum fw_how_told, what has become of the packet's bytes. */
static __always_inline void fw_count_decision(fw_ctx *ctx, const struct fw_packet *packet,
					      const struct fw_now *now, const struct fw_decision *decision,
					      int action, __u32 how)
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
		fw_tell(ctx, packet, decision, now->number,
			how | (direction == FW_OUT ? FW_TOLD_OUT : 0) |
				(__u32)action << FW_TOLD_ACTION_SHIFT);
	fw_trace_decision(packet, decision);
}

static __always_inline int fw_mark_done(fw_ctx *ctx, __u64 secret)
{
	struct fw_mark mark = {.secret = secret, .slot = fw_slot, .reason = FW_MARK_DONE};

	fw_ctx_write_mark(ctx, &mark);
	return FW_ACTION_PASS;
}

/* Before a packet may change. Answers what fw_count_decision() is to know of it. */
static __always_inline __u32 fw_begin_to_change(fw_ctx *ctx, const struct fw_now *now)
{
	if (!(now->heard & FW_HEARD_BYTES))
		return FW_TOLD_CHANGED;
	fw_put_aside(ctx);
	return FW_TOLD_CHANGED | FW_TOLD_ASIDE;
}

static __always_inline int fw_exit_changed(fw_ctx *ctx, const struct fw_packet *packet,
					   const struct fw_now *now, const struct fw_decision *decision,
					   __u32 how)
{
	int action = fw_verdict_of(decision->reason) == FW_DROP ? FW_ACTION_DROP : FW_ACTION_PASS;

	fw_count_decision(ctx, packet, now, decision, action, how);
	return action == FW_ACTION_PASS && fw_hands_on ? fw_mark_done(ctx, now->secret) : action;
}

static __always_inline int fw_exit(fw_ctx *ctx, const struct fw_packet *packet, const struct fw_now *now,
				   const struct fw_decision *decision)
{
	return fw_exit_changed(ctx, packet, now, decision, 0);
}

#endif
