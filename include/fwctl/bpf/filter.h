/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The packet's way, from hook to action. Include ctx_xdp.h or ctx_skb.h before it.
 *
 * Promises: an attachment that the current generation does not enable passes everything and counts nothing.
 */
#ifndef FWCTL_BPF_FILTER_H
#define FWCTL_BPF_FILTER_H

#include "fwctl/bpf/ban.h"
#include "fwctl/bpf/carry_out.h"
#include "fwctl/bpf/check.h"
#include "fwctl/bpf/classify.h"
#include "fwctl/bpf/conntrack.h"
#include "fwctl/bpf/exit.h"
#include "fwctl/bpf/find_service.h"
#include "fwctl/bpf/now.h"
#include "fwctl/bpf/parse_plain.h"
#include "fwctl/bpf/recall.h"
#include "fwctl/bpf/steady.h"
#include "fwctl/bpf/unpack.h"

/* The built-in rule under whose name the parser drops; FW_NO_RULE: none, it drops in any case. */
static __always_inline __u32 fw_parser_rule(__u8 reason)
{
	if (reason == FW_REASON_UNPACK_FAILED)
		return FW_NO_RULE;
	if (reason == FW_REASON_VLAN_DEPTH)
		return FW_RULE_VLAN_DEPTH;
	if (reason == FW_REASON_HEADER_CHAIN)
		return FW_RULE_HEADER_CHAIN;
	return FW_RULE_MALFORMED;
}

/* TC ingress does the rest, and counts. */
static __always_inline int fw_hand_on(fw_ctx *ctx, const struct fw_packet *packet,
				      const struct fw_decision *decision, const struct fw_now *now)
{
	struct fw_mark mark = {
		.secret = now->secret,
		.generation = now->number,
		.rule = decision->rule,
		.priority = decision->priority,
		.slot = fw_slot,
		.reason = decision->reason,
		.tier = decision->tier | (packet->flags & FW_PACKET_UNPACKED ? FW_MARK_UNPACKED : 0) |
			(fw_ctx_may_rewrite() ? FW_MARK_BEGUN : 0),
	};

	fw_trace_decision(packet, decision);
	fw_ctx_write_mark(ctx, &mark);
	return FW_ACTION_PASS;
}

/* What a decision asks for beside passing and dropping. Not inlined, as it is rare and needs room. */
static __noinline int fw_do_more(fw_ctx *ctx, const struct fw_packet *packet, const struct fw_now *now,
				 struct fw_decision *decision)
{
	struct fw_decision before = *decision;
	int action = FW_HAND_ON;
	__u32 how = 0;

	/* What a rule with action synproxy lets nobody open needs no answer. */
	if (decision->reason == FW_REASON_RULE_SYNPROXY && packet->state == FW_STATE_INVALID &&
	    !(packet->flags & FW_PACKET_UNANSWERED)) {
		decision->reason = FW_REASON_COOKIE_INVALID;
		action = FW_DECIDED;
	} else if (fw_ctx_may_rewrite() || !fw_hands_on) {
		if (now->heard & FW_HAPPENINGS)
			fw_begin_telling(now);
		how = fw_begin_to_change(ctx, now);
		action = fw_carry_out(ctx, packet, now, decision);
		if (now->heard & FW_HAPPENINGS)
			fw_tell_happened(packet);
	}
	if (action == FW_HAND_ON && fw_hands_on)
		return fw_hand_on(ctx, packet, &before, now);
	if (action < 0)
		return fw_exit_changed(ctx, packet, now, decision, how);
	fw_count_decision(ctx, packet, now, decision, action, how);
	return action;
}

/*
 * Whether XDP has marked the packet: that it is done with, or what is to be done. One that another generation
 * judged is judged anew: what its rule says may not be there any more. This and the next one are not inlined,
 * as what calls them has little room left: on 6.1 512 bytes for all functions that call each other.
 */
static __noinline bool fw_is_marked(fw_ctx *ctx, const struct fw_now *now, struct fw_decision *decision)
{
	struct fw_mark mark;

	if (!fw_ctx_take_mark(ctx, now->secret, &mark))
		return false;
	decision->reason = mark.reason;
	decision->tier = mark.tier;
	decision->rule = mark.rule;
	decision->priority = mark.priority;
	return mark.reason == FW_MARK_DONE || mark.generation == now->number;
}

static __noinline int fw_pass_own_answer(fw_ctx *ctx, struct fw_packet *packet, const struct fw_now *now)
{
	const struct fw_decision decision = {.reason = FW_REASON_OWN_ANSWER, .rule = FW_NO_RULE};

	if (now->heard >> FW_REASON_OWN_ANSWER & 1)
		fw_parse(ctx, packet);
	packet->length = fw_ctx_length(ctx);
	return fw_exit(ctx, packet, now, &decision);
}

/* What stands in FW_UNPACKED_BEHIND's place of a fault: TC ingress is to unpack the packet, and judges it. */
enum { FW_NOT_HERE = 0xfe };

/* Parses the packet, and where it carries one that is to be unpacked, that. Answers as fw_parse(). */
static __noinline __u8 fw_open(fw_ctx *ctx, struct fw_packet *packet, __u32 half)
{
	__u8 fault = fw_parse(ctx, packet), outer;
	int unpacked;

	if (fault != FW_UNDECIDED)
		return fault;
	outer = packet->traffic_class;
	unpacked = fw_unpack(ctx, packet, half);
	if (unpacked == FW_UNPACKED_BEHIND)
		return FW_NOT_HERE;
	if (unpacked == FW_UNPACKED_HALF)
		return FW_REASON_UNPACK_FAILED;
	if (unpacked != FW_UNPACKED_HERE)
		return FW_UNDECIDED;
	*packet = (struct fw_packet){.vlan_id = FW_NO_VLAN, .flags = FW_PACKET_UNPACKED};
	fault = fw_parse(ctx, packet);
	if (fault == FW_UNDECIDED)
		fw_take_congestion(ctx, packet, outer);
	return fault;
}

static __always_inline int fw_filter(fw_ctx *ctx, __u32 direction)
{
	struct fw_packet packet = {.vlan_id = FW_NO_VLAN};
	struct fw_now now = {.direction = direction};
	struct fw_decision decision = {};
	bool is_judged;
	__u8 fault;

	if (!fw_read_now(&now))
		return FW_ACTION_PASS;
	/* Else clang 14 keeps a second copy of it on the stack, which has no room for it. */
	asm volatile("" : : "r"(&now) : "memory");
	if (!fw_ctx_begins_at_link(ctx))
		return FW_ACTION_DROP;
	if (fw_ctx_is_own_answer(ctx, now.secret, direction))
		return fw_pass_own_answer(ctx, &packet, &now);
	is_judged = fw_behind_xdp && fw_is_marked(ctx, &now, &decision);
	if (is_judged && decision.reason == FW_MARK_DONE)
		return FW_ACTION_PASS;
	/* Without room for a mark, TC ingress judges in our place. */
	if (fw_hands_on && !fw_ctx_takes_mark(ctx))
		return FW_ACTION_PASS;

	if (fw_tracing)
		fw_last.row_count = 0;
	/* Once: what XDP has unpacked may hold another one, which is for somebody else. */
	if (fw_rewrites && direction == FW_IN && now.generation->services.gue_port && !is_judged &&
	    !(decision.tier & FW_MARK_UNPACKED))
		fault = fw_open(ctx, &packet, now.number & 1);
	else
		fault = fw_parse_plain(ctx, &packet) ? FW_UNDECIDED : fw_parse(ctx, &packet);
	if (fault == FW_NOT_HERE)
		return FW_ACTION_PASS;
	if (decision.tier & FW_MARK_UNPACKED)
		packet.flags |= FW_PACKET_UNPACKED;
	if (is_judged && decision.tier & FW_MARK_BEGUN)
		packet.flags |= FW_PACKET_HANDED_ON;
	decision.tier &= ~(FW_MARK_UNPACKED | FW_MARK_BEGUN);
	if (fw_rewrites && fault == FW_UNDECIDED && direction == FW_IN &&
	    now.generation->services.backend_count)
		fw_find_service(ctx, &packet, now.number, &now.generation->services);
	if (!is_judged) {
		decision.reason = fault;
		if (fault != FW_UNDECIDED) {
			decision.rule = fw_parser_rule(fault);
			if (decision.rule == FW_NO_RULE ||
			    !(now.generation->disabled_parser_rules >> decision.rule & 1))
				return fw_exit(ctx, &packet, &now, &decision);
		}
		if (now.heard & FW_HAPPENINGS)
			fw_begin_telling(&now);
		if (fw_tracing && fw_last.assumed_state)
			packet.state = fw_last.assumed_state - 1;
		else if (now.generation->follows && !packet.service &&
			 !(fw_may_be_steady(&packet) &&
			   fw_track_steady(ctx, &packet, (now.number & 1) | direction << 1)))
			fw_track(ctx, &packet, (now.number & 1) | direction << 1);
		if (direction == FW_OUT && fw_ctx_checked(ctx, now.secret)) {
			decision.reason = FW_REASON_HEALTH_CHECK;
			decision.rule = FW_NO_RULE;
		} else if (!fw_may_recall(&packet) ||
			   !fw_recall(&packet, now.generation, now.number, direction, &decision)) {
			decision = fw_classify(&packet, now.generation, direction);
			if (fw_may_recall(&packet))
				fw_remember(&packet, now.generation, now.number, direction, &decision);
		}
		if (decision.reason == FW_REASON_DEFAULT_DENY && packet.flags & FW_PACKET_SERVED)
			decision.reason = FW_REASON_DEFAULT_ALLOW;
		if (decision.bans && direction == FW_IN && !fw_read_only)
			fw_ban_source(&packet, now.generation, &decision);
		if (packet.flags & FW_PACKET_OPENS && fw_verdict_of(decision.reason) != FW_DROP &&
		    decision.reason != FW_REASON_RULE_SYNPROXY)
			fw_note_passed(&packet, now.number & 1, direction);
		if (now.heard & FW_HAPPENINGS)
			fw_tell_happened(&packet);
	}
	if (is_judged && now.generation->follows && !packet.service)
		fw_track(ctx, &packet, (now.number & 1) | direction << 1 | FW_TRACK_RECALLS);
	if (fw_rewrites && direction == FW_OUT && decision.reason == FW_REASON_HEALTH_CHECK) {
		__u32 how = fw_begin_to_change(ctx, &now);
		int action = fw_check(ctx, &packet, now.number, fw_ctx_checked(ctx, now.secret));

		if (action < 0) {
			decision.reason = -action;
			return fw_exit_changed(ctx, &packet, &now, &decision, how);
		}
		fw_count_decision(ctx, &packet, &now, &decision, action, how);
		return action;
	}
	if (fw_may_go_on(&packet, &now) && fw_verdict_of(decision.reason) == FW_PASS) {
		int action = fw_send_known(ctx, &packet, now.number, false);

		if (action != FW_HAND_ON) {
			decision.reason = action < 0 ? -action : FW_REASON_BALANCED;
			fw_count_decision(ctx, &packet, &now, &decision, action < 0 ? FW_ACTION_DROP : action,
					  FW_TOLD_CHANGED);
			return action < 0 ? FW_ACTION_DROP : action;
		}
	}
	fw_foresee_choice(ctx, &packet, now.number & 1);
	if (is_judged || fw_is_more(&packet, &decision, now.generation, direction))
		return fw_do_more(ctx, &packet, &now, &decision);
	return fw_exit(ctx, &packet, &now, &decision);
}

#endif
