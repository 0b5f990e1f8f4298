/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * TCP as it looks from between the two ends: in which state a connection is, and which segments cannot be
 * part of it.
 *
 * The windows are those of G. van Rooij, "Real Stateful TCP Packet Filtering in IP Filter" (2001): a segment
 * is refused where no end could have sent it, by sequence numbers alone, as the segments between the place of
 * the filter and an end may be lost, late or twice. docs/conntrack.md says where this differs from Linux's
 * own connection tracking, which a test compares it with.
 */
#ifndef FWCTL_BPF_TCP_H
#define FWCTL_BPF_TCP_H

#include "fwctl/bpf/flow_table.h"
#include "fwctl/bpf/happen.h"
#include "fwctl/bpf/segment.h"

/* What becomes of a segment. */
enum fw_tcp_answer {
	FW_TCP_ACCEPTED,
	FW_TCP_PASSED,	/* part of the connection, but nothing follows from it */
	FW_TCP_REFUSED, /* invalid */
	FW_TCP_REOPENS, /* the connection is over, and this opens the next one */
	FW_TCP_ENDS,	/* a reset in answer to the first segment: the flow is to be forgotten */
};

/* The next state: FW_TCP_STAYS lets the segment pass without a change, FW_TCP_WRONG refuses it. */
enum {
	FW_TCP_STAYS = 14,
	FW_TCP_WRONG = 15,
};

#define NO FW_TCP_WRONG
#define STAY FW_TCP_STAYS
#define SENT FW_TCP_SYN_SENT
#define BOTH FW_TCP_SYN_SENT_BOTH
#define RECV FW_TCP_SYN_RECEIVED
#define ESTA FW_TCP_ESTABLISHED
#define FINW FW_TCP_FIN_WAIT
#define CLOW FW_TCP_CLOSE_WAIT
#define LAST FW_TCP_LAST_ACK
#define TIME FW_TCP_TIME_WAIT
#define GONE FW_TCP_CLOSED
/* By whether the opener has sent it, its kind, and the state before, in the order of enum fw_tcp_state. */
static const __u8 fw_tcp_next[2][FW_SEGMENT_KINDS][16] = {
	{
		/* from the end that was asked; state: none sent recv esta finw clow last time gone both */
		[FW_SEGMENT_SYN] = {NO, BOTH, NO, NO, NO, NO, NO, SENT, NO, BOTH},
		[FW_SEGMENT_SYN_ACK] = {NO, RECV, STAY, STAY, STAY, STAY, STAY, STAY, STAY, RECV},
		[FW_SEGMENT_FIN] = {NO, NO, FINW, FINW, LAST, LAST, LAST, TIME, GONE, NO},
		[FW_SEGMENT_ACK] = {NO, STAY, RECV, ESTA, CLOW, CLOW, TIME, TIME, GONE, STAY},
		[FW_SEGMENT_RST] = {NO, GONE, GONE, GONE, GONE, GONE, GONE, GONE, GONE, GONE},
		[FW_SEGMENT_NONE] = {NO, NO, NO, NO, NO, NO, NO, NO, NO, NO},
	},
	{
		/* from the opener */
		[FW_SEGMENT_SYN] = {SENT, SENT, STAY, STAY, STAY, STAY, STAY, SENT, SENT, BOTH},
		[FW_SEGMENT_SYN_ACK] = {NO, NO, RECV, NO, NO, NO, NO, NO, NO, RECV},
		[FW_SEGMENT_FIN] = {NO, NO, FINW, FINW, LAST, LAST, LAST, TIME, GONE, NO},
		[FW_SEGMENT_ACK] = {ESTA, NO, ESTA, ESTA, CLOW, CLOW, TIME, TIME, GONE, NO},
		[FW_SEGMENT_RST] = {NO, GONE, GONE, GONE, GONE, GONE, GONE, GONE, GONE, GONE},
		[FW_SEGMENT_NONE] = {NO, NO, NO, NO, NO, NO, NO, NO, NO, NO},
	},
};
#undef NO
#undef STAY
#undef SENT
#undef BOTH
#undef RECV
#undef ESTA
#undef FINW
#undef CLOW
#undef LAST
#undef TIME
#undef GONE

static __always_inline __u8 fw_tcp_state_after(bool from_opener, __u8 kind, __u8 state)
{
	__u32 place = (from_opener * FW_SEGMENT_KINDS + kind) * 16 + (state & 15);

	asm volatile("" : "+r"(place));
	if (place >= sizeof(fw_tcp_next))
		return FW_TCP_WRONG;
	return (&fw_tcp_next[0][0][0])[place];
}

/* RFC 9293, section 3.4: numbers go around. */
static __always_inline bool fw_is_before(__u32 one, __u32 other)
{
	return (__s32)(one - other) < 0;
}

static __always_inline __u32 fw_window_of(const struct fw_segment *segment, const struct fw_tcp_terms *terms)
{
	__u32 window = segment->window;

	if (!(segment->flags & FW_TCP_SYN))
		window <<= terms->scale;
	return window;
}

static __always_inline __u32 fw_at_least_one(__u32 window)
{
	return window ? window : 1;
}

/* The SYN of an end, or its first one of another number. */
static __always_inline void fw_tcp_start_end(struct fw_flow *flow, __u32 sender,
					     const struct fw_segment *segment)
{
	struct fw_tcp_terms *terms = &flow->terms[sender & 1], *others = &flow->terms[~sender & 1];
	struct fw_tcp_end *from = &flow->tcp[sender & 1];

	from->end = segment->end;
	from->limit = segment->end;
	from->window = fw_at_least_one(segment->window);
	terms->scale = segment->terms.scale;
	terms->flags = segment->terms.flags | (terms->flags & FW_TCP_LIBERAL);
	/* RFC 7323, section 2.2: both ends scale or none; what the other end says is known once it answers.
	 */
	if (sender != (flow->flags & FW_FLOW_OPENED_BY_SECOND) &&
	    !(terms->flags & others->flags & FW_TCP_SCALES)) {
		terms->scale = 0;
		others->scale = 0;
	}
}

/* What of an end was not seen before. */
static __always_inline bool fw_tcp_meet(struct fw_flow *flow, __u32 sender, const struct fw_segment *segment)
{
	struct fw_tcp_end *from = &flow->tcp[sender & 1], *to = &flow->tcp[~sender & 1];
	bool has_ack = segment->flags & FW_TCP_ACK;

	if (from->window == 0 && segment->flags & FW_TCP_SYN) {
		fw_tcp_start_end(flow, sender, segment);
		return !has_ack;
	}
	if (from->window == 0) {
		from->end = segment->end;
		from->window = fw_at_least_one(fw_window_of(segment, &flow->terms[sender & 1]));
		from->limit = segment->end + from->window;
		if (to->window == 0)
			to->end = to->limit = segment->acknowledgment;
		else if (segment->acknowledgment == to->end + 1)
			to->end++; /* the answer to a keepalive */
		return false;
	}
	if (segment->flags & FW_TCP_SYN && fw_is_before(from->end, segment->end) &&
	    (flow->state == FW_TCP_SYN_SENT || flow->state == FW_TCP_SYN_RECEIVED)) {
		fw_tcp_start_end(flow, sender, segment);
		return !has_ack && sender != (flow->flags & FW_FLOW_OPENED_BY_SECOND);
	}
	return false;
}

/* An acknowledgment may be behind by a window, or where that is small by this much. */
enum { FW_TCP_LATEST_ACK = 66000 };

/*
 * Whether the numbers of a segment are possible: enum fw_tcp_answer. When they are, what follows from them is
 * noted. A global function, verified once.
 */
__noinline int fw_tcp_check_window(struct fw_flow *flow, __u32 sender, const struct fw_segment *segment)
{
	struct fw_tcp_end *from, *to;
	struct fw_tcp_terms *terms;
	__u32 sequence, end, ack, window, latest;
	bool has_ack, fits, is_recent, is_beyond, acks_unsent;

	if (!flow || !segment)
		return FW_TCP_REFUSED;
	from = &flow->tcp[sender & 1];
	to = &flow->tcp[~sender & 1];
	terms = &flow->terms[sender & 1];
	sequence = segment->sequence;
	end = segment->end;
	ack = segment->acknowledgment;
	has_ack = segment->flags & FW_TCP_ACK;
	if (fw_tcp_meet(flow, sender, segment))
		return FW_TCP_ACCEPTED;
	if (!has_ack || (segment->flags & FW_TCP_RST && ack == 0))
		ack = to->end;
	if (segment->flags & FW_TCP_RST && sequence == 0 && flow->state == FW_TCP_SYN_SENT)
		sequence = end = from->end; /* the answer to a SYN has no number of its own */

	window = fw_window_of(segment, terms);
	latest = from->window > FW_TCP_LATEST_ACK ? from->window : FW_TCP_LATEST_ACK;
	fits = !to->window || fw_is_before(from->end - to->window - 1, end);
	is_recent = fw_is_before(to->end - latest - 1, ack);
	acks_unsent = fw_is_before(to->end, ack);
	is_beyond = fw_is_before(from->limit, sequence);
	if (is_beyond || acks_unsent || !fits || !is_recent) {
		if (terms->flags & FW_TCP_LIBERAL)
			return FW_TCP_ACCEPTED;
		if (acks_unsent || (is_beyond && (!fits || !is_recent || end - from->limit >= to->window)))
			return FW_TCP_REFUSED;
		/* Some send a little more than they may, and are acknowledged. */
		if (is_beyond)
			from->end = end;
		return FW_TCP_PASSED; /* a late copy, otherwise */
	}

	if (from->window < window)
		from->window = window;
	if (fw_is_before(from->end, end))
		from->end = end;
	if (has_ack && (!(terms->flags & FW_TCP_HAS_ACKNOWLEDGED) || fw_is_before(from->acknowledged, ack))) {
		from->acknowledged = ack;
		terms->flags |= FW_TCP_HAS_ACKNOWLEDGED;
	}
	if (to->window && fw_is_before(from->limit, end))
		to->window += end - from->limit;
	if (fw_is_before(to->limit, ack + window + 1))
		to->limit = ack + fw_at_least_one(window);
	return FW_TCP_ACCEPTED;
}

/* From here on windows say nothing. */
static __always_inline void fw_tcp_trust(struct fw_flow *flow)
{
	flow->terms[0].flags |= FW_TCP_LIBERAL;
	flow->terms[1].flags |= FW_TCP_LIBERAL;
}

/* What the first segment of a flow says of its sender. */
static __always_inline void fw_tcp_open(struct fw_flow *flow, __u32 sender, const struct fw_segment *segment)
{
	struct fw_tcp_end *from = &flow->tcp[sender & 1];

	flow->last_kind = FW_SEGMENT_NONE;
	from->end = segment->end;
	from->limit = segment->end;
	from->window = fw_at_least_one(segment->window);
	flow->terms[sender & 1] = segment->terms;
	flow->state = fw_tcp_state_after(true, segment->kind, FW_TCP_NONE);
	if (segment->kind != FW_SEGMENT_SYN) {
		from->limit += from->window;
		fw_tcp_trust(flow);
	}
	fw_tcp_check_window(flow, sender, segment);
}

/* A segment that says nothing of this connection, or shows that we have missed the beginning of the next. */
static __always_inline bool fw_tcp_is_resync(const struct fw_flow *flow, __u32 sender,
					     const struct fw_segment *segment)
{
	return segment->kind == FW_SEGMENT_SYN_ACK && flow->last_kind == FW_SEGMENT_SYN &&
	       flow->last_sender != sender && segment->acknowledgment == flow->last_end;
}

static __always_inline void fw_tcp_resync(struct fw_flow *flow, __u32 sender)
{
	struct fw_tcp_end *opener = &flow->tcp[~sender & 1], *other = &flow->tcp[sender & 1];

	opener->end = flow->last_end;
	opener->limit = flow->last_end;
	opener->window = fw_at_least_one(flow->again_window);
	flow->terms[~sender & 1] = flow->again_terms;
	*other = (struct fw_tcp_end){};
	flow->terms[sender & 1].scale = 0;
	flow->terms[sender & 1].flags &= FW_TCP_LIBERAL;
	flow->state = FW_TCP_SYN_SENT;
}

static __always_inline void fw_tcp_note(struct fw_flow *flow, __u32 sender, const struct fw_segment *segment)
{
	flow->last_kind = segment->kind;
	flow->last_sender = sender;
	flow->last_end = segment->end;
	if (segment->kind == FW_SEGMENT_SYN) {
		flow->again_window = segment->window;
		flow->again_terms = segment->terms;
	}
}

/* Whether a reset is one that no end of this connection has sent (RFC 5961, section 3). `stays`: one that may
 * be, but is answered with a challenge rather than believed. */
static __always_inline bool fw_tcp_is_wrong_reset(const struct fw_flow *flow, __u32 sender,
						  const struct fw_segment *segment, bool *stays)
{
	bool is_established = flow->state == FW_TCP_ESTABLISHED && flow->flags & FW_FLOW_ASSURED;
	__u32 expected = flow->tcp[~sender & 1].acknowledged;

	if (!(flow->terms[~sender & 1].flags & FW_TCP_HAS_ACKNOWLEDGED))
		return false;
	if (segment->sequence == 0 && !is_established)
		return false;
	if (fw_is_before(segment->sequence, expected))
		return true;
	/* One that follows its sender's last segment directly is believed. */
	*stays = is_established && segment->sequence != expected &&
		 !(flow->last_kind == FW_SEGMENT_ACK && flow->last_sender == sender &&
		   segment->sequence == flow->last_end);
	return false;
}

/* Whether a FIN is the first one, as it is seen at another hook on its way. At the same hook it is a copy.
 * Not inlined, as there is no room. */
__noinline int fw_tcp_is_fin_again(const struct fw_flow *flow, __u32 sender, const struct fw_segment *segment)
{
	if (!flow || !segment)
		return false;
	return flow->terms[sender & 1].flags & FW_TCP_CLOSES && flow->closed_at != segment->here &&
	       flow->tcp[sender & 1].end == segment->end;
}

/* Whether a reset answers a segment of the other end that was let pass unjudged: what is known of its number
 * may be of the connection before. Who forges the packets of one end alone cannot answer himself. */
static __always_inline bool fw_tcp_answers_unjudged(const struct fw_flow *flow, __u32 sender,
						    const struct fw_segment *segment)
{
	__u8 unjudged = flow->flags & FW_FLOW_ANSWERED ? FW_SEGMENT_SYN : FW_SEGMENT_ACK;

	return segment->acknowledgment == flow->last_end && flow->last_kind == unjudged &&
	       flow->last_sender != sender;
}

/* The next connection between the same ends takes the place of one that has ended. */
static __always_inline void fw_count_opened(const struct fw_flow *flow)
{
	struct fw_flow_counts *counts = fw_flow_counts_here();

	if (counts)
		counts->opened++;
	fw_note_flow(FW_HAPPENED_OPENED, flow->flags & FW_FLOW_OPENED_BY_SECOND);
}

/*
 * The segment's part in its connection: enum fw_tcp_answer. `sender`: the end of the key that has sent it. A
 * global function, verified once.
 */
__noinline int fw_tcp_follow(struct fw_flow *flow, __u32 sender, const struct fw_segment *segment)
{
	enum fw_tcp_answer answer;
	bool stays = false;
	__u8 before, next;

	if (!flow || !segment)
		return FW_TCP_REFUSED;
	if (segment->kind == FW_SEGMENT_FIN && fw_tcp_is_fin_again(flow, sender, segment))
		return FW_TCP_ACCEPTED;
	before = flow->state;
	next = fw_tcp_state_after(sender == (flow->flags & FW_FLOW_OPENED_BY_SECOND), segment->kind, before);
	if (next == FW_TCP_WRONG)
		return FW_TCP_REFUSED;
	if (next == FW_TCP_SYN_SENT && before >= FW_TCP_TIME_WAIT) {
		if ((flow->terms[0].flags | flow->terms[1].flags) & FW_TCP_CLOSES ||
		    (flow->last_sender == sender && flow->last_kind == FW_SEGMENT_RST))
			return FW_TCP_REOPENS;
		next = FW_TCP_STAYS;
	}
	if (next == FW_TCP_STAYS) {
		if (!fw_tcp_is_resync(flow, sender, segment)) {
			fw_tcp_note(flow, sender, segment);
			if (before == FW_TCP_LAST_ACK && segment->kind == FW_SEGMENT_SYN)
				flow->flags |= FW_FLOW_CHALLENGED;
			return FW_TCP_PASSED;
		}
		if (fw_tcp_is_over(before))
			fw_count_opened(flow);
		fw_tcp_resync(flow, sender);
		before = FW_TCP_SYN_SENT;
		next = FW_TCP_SYN_RECEIVED;
	}
	/* Not the acknowledgment of the last FIN, but what an end answers to a SYN that it did not expect. */
	if (flow->flags & FW_FLOW_CHALLENGED && before == FW_TCP_LAST_ACK &&
	    segment->kind == FW_SEGMENT_ACK && flow->last_kind == FW_SEGMENT_SYN &&
	    flow->last_sender != sender)
		return FW_TCP_PASSED;
	if (next == FW_TCP_SYN_SENT_BOTH)
		flow->flags |= FW_FLOW_OPENED_BY_BOTH;
	if (flow->flags & FW_FLOW_OPENED_BY_BOTH && before == FW_TCP_SYN_RECEIVED &&
	    segment->kind == FW_SEGMENT_ACK)
		next = FW_TCP_ESTABLISHED;
	if (segment->kind == FW_SEGMENT_RST) {
		/* It ends anyway, and what is known of it may be of the connection before. */
		if (before >= FW_TCP_FIN_WAIT && before <= FW_TCP_CLOSED)
			goto in_window;
		if (fw_tcp_answers_unjudged(flow, sender, segment))
			goto in_window;
		if (fw_tcp_is_wrong_reset(flow, sender, segment, &stays))
			return FW_TCP_REFUSED;
		if (stays)
			next = before;
	}
	answer = fw_tcp_check_window(flow, sender, segment);
	if (answer != FW_TCP_ACCEPTED)
		return answer;
	if (segment->kind == FW_SEGMENT_ACK)
		flow->last_end = segment->end;
in_window:
	flow->flags &= ~FW_FLOW_CHALLENGED;
	flow->last_kind = segment->kind;
	flow->last_sender = sender;
	flow->state = next;
	if (fw_tcp_is_over(next) && !fw_tcp_is_over(before))
		fw_note_flow(FW_HAPPENED_CLOSED, flow->flags & FW_FLOW_OPENED_BY_SECOND);
	if (next != before && next == FW_TCP_FIN_WAIT) {
		flow->terms[sender & 1].flags |= FW_TCP_CLOSES;
		flow->closed_at = segment->here;
	}
	if (segment->kind == FW_SEGMENT_RST && !(flow->flags & FW_FLOW_ANSWERED))
		return FW_TCP_ENDS;
	if (flow->flags & FW_FLOW_ANSWERED && next == FW_TCP_ESTABLISHED &&
	    (before == FW_TCP_SYN_RECEIVED || before == FW_TCP_ESTABLISHED))
		flow->flags |= FW_FLOW_ASSURED;
	return FW_TCP_ACCEPTED;
}

#endif
