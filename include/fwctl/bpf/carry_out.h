/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a decision asks for beside passing and dropping: `reject`, `redirect`, and the fast path for what is
 * let in.
 *
 * Promises: the decision says in the end what became of the packet. A program that may not do it hands it to
 * TC ingress, uncounted, where there is one; else reject drops, a frame that was to be redirected as it is is
 * dropped, and what was to be routed goes to the kernel. docs/forward.md.
 */
#ifndef FWCTL_BPF_CARRY_OUT_H
#define FWCTL_BPF_CARRY_OUT_H

#include "fwctl/bpf/balance.h"
#include "fwctl/bpf/bank.h"
#include "fwctl/bpf/now.h"
#include "fwctl/bpf/reject.h"
#include "fwctl/bpf/route.h"
#include "fwctl/bpf/synproxy.h"

/* A packet of a connection that a rule with action synproxy has let in, which opens none. */
static __always_inline bool fw_is_let_in(const struct fw_packet *packet)
{
	return packet->state == FW_STATE_ESTABLISHED || packet->state == FW_STATE_RELATED;
}

static __always_inline bool fw_forwards(const struct fw_decision *decision,
					const struct fw_generation *generation, __u32 direction)
{
	return direction == FW_IN && generation->forward && (fw_ctx_may_rewrite() || fw_hands_on) &&
	       fw_verdict_of(decision->reason) == FW_PASS;
}

static __always_inline bool fw_is_balanced(const struct fw_packet *packet, const struct fw_decision *decision)
{
	return packet->service && fw_verdict_of(decision->reason) == FW_PASS;
}

/* Whether the decision is more than a verdict. */
static __always_inline bool fw_is_more(const struct fw_packet *packet, const struct fw_decision *decision,
				       const struct fw_generation *generation, __u32 direction)
{
	if (!fw_rewrites)
		return false;
	if (decision->reason == FW_REASON_RULE_REJECT || decision->reason == FW_REASON_RULE_REDIRECT)
		return true;
	if (packet->service)
		return fw_is_balanced(packet, decision);
	if (decision->reason == FW_REASON_RULE_SYNPROXY && !fw_is_let_in(packet))
		return true;
	if (packet->flags & FW_PACKET_PROXIED && fw_verdict_of(decision->reason) != FW_DROP)
		return true;
	return fw_forwards(decision, generation, direction);
}

static __always_inline const struct fw_action *fw_action_of(const struct fw_generation *generation,
							    const struct fw_decision *decision)
{
	return fw_action_at(&generation->tiers[decision->tier & (FW_TIERS - 1)], decision->priority);
}

/* 0: it is not there, or none is named. */
static __always_inline __u32 fw_output(const struct fw_generation *generation, __u8 tier, __u32 output)
{
	asm volatile("" : "+r"(output));
	output &= FW_MAX_OUTPUTS - 1;
	return generation->outputs[tier & (FW_TIERS - 1)][output];
}

/* This and fw_forward() are not inlined: what they keep on the stack is not there while the other, or an
 * answer, is at work. */
static __noinline int fw_redirect(fw_ctx *ctx, const struct fw_packet *packet,
				  const struct fw_generation *generation, struct fw_decision *decision)
{
	const struct fw_action *action = fw_action_of(generation, decision);
	int sent = FW_TO_KERNEL;
	__u32 ifindex;

	if (!action) {
		decision->reason = FW_REASON_REDIRECT_FAILED;
		return FW_TO_KERNEL;
	}
	ifindex = fw_output(generation, decision->tier, action->next_hop.output);
	if (action->next_hop.family == FW_FAMILY_NONE) {
		if (fw_ctx_may_rewrite())
			sent = fw_send_as_it_is(ctx, ifindex);
		if (sent < 0)
			decision->reason = FW_REASON_REDIRECT_FAILED;
		return sent;
	}
	if (fw_ctx_may_rewrite() && (ifindex || !action->next_hop.output) &&
	    fw_can_be_routed(ctx, packet, &generation->attachments[fw_slot & (FW_MAX_ATTACHMENTS - 1)]))
		sent = fw_route(ctx, packet, &action->next_hop, ifindex);
	if (sent < 0)
		decision->reason = FW_REASON_REDIRECT_KERNEL;
	return sent;
}

/* The next hop of the forwarding table. */
static __noinline int fw_forward_by_table(fw_ctx *ctx, const struct fw_packet *packet,
					  const struct fw_generation *generation)
{
	const struct fw_next_hop *hop = fw_find_route(packet, generation->tiers[FW_MAIN].bank);
	__u32 ifindex;

	if (!hop || !fw_is_for_others(ctx, packet))
		return FW_TO_KERNEL;
	ifindex = fw_output(generation, FW_MAIN, hop->output);
	if (hop->output && !ifindex)
		return FW_TO_KERNEL;
	return fw_route(ctx, packet, hop, ifindex);
}

static __noinline int fw_forward_by_fib(fw_ctx *ctx, const struct fw_packet *packet)
{
	struct fw_next_hop hop = {.family = packet->family, .via = packet->destination};

	return fw_route(ctx, packet, &hop, 0);
}

static __always_inline int fw_forward(fw_ctx *ctx, const struct fw_packet *packet,
				      const struct fw_generation *generation, struct fw_decision *decision)
{
	int sent;

	if (!fw_can_be_routed(ctx, packet, &generation->attachments[fw_slot & (FW_MAX_ATTACHMENTS - 1)]))
		return FW_TO_KERNEL;
	if (generation->forward == FW_FORWARD_TABLE)
		sent = fw_forward_by_table(ctx, packet, generation);
	else
		sent = fw_forward_by_fib(ctx, packet);
	if (sent >= 0)
		decision->reason = FW_REASON_FORWARDED;
	return sent;
}

static __always_inline __u32 fw_answer_of(const struct fw_generation *generation,
					  const struct fw_decision *decision)
{
	const struct fw_action *action = fw_action_of(generation, decision);

	return action ? action->answer : FW_ANSWER_AUTO;
}

/* As fw_carry_out(), of what action synproxy has to do with the packet. `number`: of the generation. */
static __always_inline int fw_carry_out_synproxy(fw_ctx *ctx, const struct fw_packet *packet, __u32 number,
						 __u32 direction, struct fw_decision *decision)
{
	__u32 request = (number & FW_REQUEST_HALF) | (direction == FW_OUT ? FW_REQUEST_OUT : 0);
	int action;

	if (decision->reason == FW_REASON_RULE_SYNPROXY)
		request |= FW_REQUEST_OPENS;
	action = fw_synproxy(ctx, packet, request);
	if (action >= 0)
		decision->reason = FW_REASON_SYN_COOKIE;
	if (action >= FW_TO_KERNEL)
		return action;
	decision->reason = -action;
	return FW_DECIDED;
}

/* Whether action synproxy may have to do with the packet. */
static __always_inline bool fw_may_be_proxied(const struct fw_packet *packet,
					      const struct fw_generation *generation,
					      const struct fw_decision *decision)
{
	return generation->follows && fw_verdict_of(decision->reason) != FW_DROP &&
	       (decision->reason == FW_REASON_RULE_SYNPROXY || packet->flags & FW_PACKET_PROXIED);
}

/* The hook's action, or one of FW_HAND_ON and FW_TO_KERNEL: then the verdict of the reason holds. */
static __always_inline int fw_carry_out(fw_ctx *ctx, const struct fw_packet *packet, const struct fw_now *now,
					struct fw_decision *decision)
{
	const struct fw_generation *generation = now->generation;
	__u32 direction = now->direction;
	int action;

	if (fw_is_balanced(packet, decision))
		return fw_balance(ctx, packet, now->number, decision);
	if (fw_may_be_proxied(packet, generation, decision)) {
		action = fw_carry_out_synproxy(ctx, packet, now->number, direction, decision);
		if (action != FW_TO_KERNEL)
			return action;
	}
	if (decision->reason == FW_REASON_RULE_REDIRECT)
		return fw_redirect(ctx, packet, generation, decision);
	if (fw_forwards(decision, generation, direction))
		return fw_forward(ctx, packet, generation, decision);
	if (decision->reason != FW_REASON_RULE_REJECT)
		return FW_TO_KERNEL;
	action = fw_reject(ctx, packet, fw_answer_of(generation, decision) | direction << 8);
	if (action < 0)
		decision->reason = -action;
	return action < 0 ? FW_TO_KERNEL : action;
}

#endif
