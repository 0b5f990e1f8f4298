/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The action `synproxy`: the handshake with the client, in the server's place.
 *
 * Promises: docs/synproxy.md. A SYN costs an answer and nothing is kept of it; the server hears of a client
 * when that has sent its cookie back. Answers are not larger than the largest SYN, and there is one for each.
 * Include ctx_xdp.h or ctx_skb.h before it.
 */
#ifndef FWCTL_BPF_SYNPROXY_H
#define FWCTL_BPF_SYNPROXY_H

#include "fwctl/bpf/conntrack.h"
#include "fwctl/bpf/cookie.h"
#include "fwctl/bpf/reject.h"
#include "fwctl/bpf/translate.h"

enum {
	FW_OWN_MSS_IPV4 = 20 + 20, /* octets of an MTU that are none of a segment */
	FW_OWN_MSS_IPV6 = 40 + 20,
	FW_LARGEST_MSS = 65535 - 60,
};

/* What segments we can take: what the interface can. */
static __always_inline __u32 fw_own_mss(fw_ctx *ctx, __u8 family)
{
	__u32 headers = family == FW_FAMILY_IPV4 ? FW_OWN_MSS_IPV4 : FW_OWN_MSS_IPV6, mtu = 0;

	bpf_check_mtu(ctx, 0, &mtu, 0, 0);
	if (mtu < headers + FW_MIN_MSS)
		return FW_MIN_MSS;
	return mtu - headers < FW_LARGEST_MSS ? mtu - headers : FW_LARGEST_MSS;
}

/* A segment that goes back or on: its header up to the checksum, which is 0 yet. */
static __always_inline void fw_begin_segment(struct fw_answering *answer, const struct fw_packet *packet,
					     __u32 flags_and_window)
{
	__u32 *words = fw_answer_word(answer, FW_ANSWER_TRANSPORT);

	words[3] = bpf_htonl(flags_and_window);
	words[4] = 0;
	answer->protocol = IPPROTO_TCP;
	answer->family = packet->family;
	answer->body = FW_TCP_HEADER;
}

static __always_inline void fw_add_option(struct fw_answering *answer, __u32 word)
{
	*fw_answer_word(answer, FW_ANSWER_TRANSPORT + answer->body) = bpf_htonl(word);
	answer->body += 4;
}

/* The options of a SYN and its answer; timestamps, and what needs them, when `time` is not 0. */
static __always_inline void fw_add_options(struct fw_answering *answer, const struct fw_tcp_options *options,
					   __u32 time, __u32 echo)
{
	__u32 *words = fw_answer_word(answer, FW_ANSWER_TRANSPORT);

	fw_add_option(answer, FW_TCP_OPTION_MSS << 24 | FW_TCP_OPTION_MSS_SIZE << 16 | options->mss);
	if (time) {
		__u32 before = FW_TCP_OPTION_NOTHING << 24 | FW_TCP_OPTION_NOTHING << 16;

		if (options->flags & FW_OPTION_SACK)
			before = FW_TCP_OPTION_SACK_PERMITTED << 24 | 2 << 16;
		fw_add_option(answer, before | FW_TCP_OPTION_TIME << 8 | FW_TCP_OPTION_TIME_SIZE);
		fw_add_option(answer, time);
		fw_add_option(answer, echo);
		if (options->flags & FW_OPTION_SCALE)
			fw_add_option(answer, FW_TCP_OPTION_NOTHING << 24 | FW_TCP_OPTION_SCALE << 16 |
						      FW_TCP_OPTION_SCALE_SIZE << 8 | options->scale);
	}
	words[3] |= bpf_htonl(answer->body / 4 << 28);
	*fw_answer_word(answer, FW_ANSWER_TRANSPORT + answer->body) = 0;
}

/* The timestamp that says what the SYN offered; 0: it had none. */
static __always_inline __u32 fw_time_of(const struct fw_tcp_options *options)
{
	__u32 mss = options->mss < FW_MIN_MSS ? 536 : options->mss;

	if (!options->time_at)
		return 0;
	return mss << FW_PROXY_TIME_MSS_SHIFT | (options->flags & FW_OPTION_SACK ? FW_PROXY_TIME_SACK : 0) |
	       (options->flags & FW_OPTION_SCALE ? options->scale : FW_PROXY_TIME_SCALE);
}

/*
 * Answers a SYN: the hook's action, or negated FW_REASON_SYNPROXY_FAILED. The window is closed until the
 * server has said how wide it is.
 */
__noinline int fw_answer_syn(fw_ctx *ctx, const struct fw_packet *packet, struct fw_proxy_room *room)
{
	__u32 zero = 0, sequence, time, *words;
	struct fw_answering *answer = bpf_map_lookup_elem(&answers, &zero);
	const struct fw_tcp_head *tcp;
	struct fw_tcp_options *options;
	__s64 cookie;
	int action;

	if (!packet || !room || !answer || !fw_may_be_answered(ctx, packet))
		return -FW_REASON_SYNPROXY_FAILED;
	tcp = (const void *)room->before;
	options = &room->options;
	sequence = bpf_ntohl(tcp->sequence);
	cookie = fw_make_cookie(packet, room, sequence, options->mss);
	if (cookie < 0)
		return -FW_REASON_SYNPROXY_FAILED;
	time = fw_time_of(options);
	words = fw_answer_word(answer, FW_ANSWER_TRANSPORT);
	words[0] = bpf_htonl((__u32)bpf_ntohs(tcp->destination) << 16 | bpf_ntohs(tcp->source));
	words[1] = bpf_htonl((__u32)cookie);
	words[2] = bpf_htonl(sequence + 1);
	fw_begin_segment(answer, packet, (FW_TCP_SYN | FW_TCP_ACK) << 16);
	options->mss = fw_own_mss(ctx, packet->family);
	options->scale = FW_PROXY_SCALE;
	fw_add_options(answer, options, time, options->time);
	action = fw_send_answer(ctx, packet, answer, FW_IN);
	return action < 0 ? -FW_REASON_SYNPROXY_FAILED : action;
}

/* What the client's SYN offered, from its ACK, and what that says now. */
static __always_inline void fw_restore_options(const struct fw_packet *packet, struct fw_proxy_room *room)
{
	struct fw_tcp_options *options = &room->options;
	__u32 time = options->echo;

	options->flags = 0;
	if (!options->time_at) {
		options->mss = fw_mss_of_cookie(packet, room);
		return;
	}
	options->mss = time >> FW_PROXY_TIME_MSS_SHIFT;
	if (options->mss < FW_MIN_MSS)
		options->mss = FW_MIN_MSS;
	if (time & FW_PROXY_TIME_SACK)
		options->flags |= FW_OPTION_SACK;
	options->scale = time & FW_PROXY_TIME_SCALE;
	if (options->scale <= FW_TCP_LARGEST_SCALE)
		options->flags |= FW_OPTION_SCALE;
}

/* Windows of SYNs are not scaled. */
static __always_inline __u32 fw_whole_window(const struct fw_proxy_room *room)
{
	const struct fw_tcp_head *tcp = (const void *)room->before;
	__u32 window = bpf_ntohs(tcp->window);

	if (room->options.flags & FW_OPTION_SCALE)
		window <<= room->options.scale & 15;
	return window < 0xffff ? window : 0xffff;
}

/* The flow as if its client had sent the SYN that the server gets. */
static __always_inline void fw_make_proxied(struct fw_flow_room *flows, const struct fw_proxy_room *room)
{
	const struct fw_tcp_head *tcp = (const void *)room->before;
	const struct fw_tcp_options *options = &room->options;
	struct fw_flow *flow = &flows->flow;
	struct fw_segment *segment = &flows->following.segment;

	*segment = (struct fw_segment){
		.sequence = room->sequence,
		.end = room->sequence + 1,
		.window = fw_whole_window(room),
		.flags = FW_TCP_SYN,
		.kind = FW_SEGMENT_SYN,
	};
	if (options->flags & FW_OPTION_SCALE)
		segment->terms = (struct fw_tcp_terms){.scale = options->scale, .flags = FW_TCP_SCALES};
	__builtin_memset(flow, 0, sizeof(*flow));
	flow->key = flows->following.key;
	flow->flags =
		FW_FLOW_PROXIED | FW_FLOW_OPENING | (flows->following.sender ? FW_FLOW_OPENED_BY_SECOND : 0);
	fw_tcp_open(flow, flows->following.sender, segment);
	flow->proxy.cookie = room->cookie;
	flow->proxy.time = options->echo;
	flow->proxy.window = bpf_ntohs(tcp->window);
	flow->slot = fw_slot;
	flow->proxy.slot = fw_slot;
	flow->proxy.client_scale = options->scale;
	if (options->time_at)
		flow->proxy.flags |= FW_PROXY_STAMPED;
	if (options->flags & FW_OPTION_SCALE)
		flow->proxy.flags |= FW_PROXY_SCALED;
}

/*
 * Whether a connection that a cookie opens takes the place of this one: another processor may have let it
 * come to be since it was looked up.
 */
static __always_inline bool fw_gives_way(const struct fw_flow *flow, __u32 now)
{
	return fw_is_expired(flow, now) || flow->flags & FW_FLOW_OPENING ||
	       !(flow->flags & (FW_FLOW_PROXIED | FW_FLOW_ANSWERED));
}

/* A way among the confirmed ones, as who brings a cookie has got it. `way`: where its key is now. */
static __always_inline __u32 fw_find_proxied_way(struct fw_flow_bucket *bucket, __u32 way, __u32 now)
{
	__u32 to;

	if (way < FW_FLOW_CONFIRMED)
		return way;
	to = fw_find_confirmed_way(bucket, now);
	if (to == FW_NO_WAY)
		return way == FW_NO_WAY ? fw_take_new_way(bucket, FW_IN, now, fw_slot) : way;
	if (way != FW_NO_WAY)
		fw_set_tag(bucket, way, 0);
	return to;
}

/* What fw_insert_proxied() answers: nothing where there is a connection already, or no way in. */
enum { FW_PROXIED_IS_IN = 1, FW_PROXIED_IS_NEW = 2 };

__noinline int fw_insert_proxied(const struct fw_flow_table *table, const struct fw_flow *flow, __u32 now)
{
	struct fw_flow_counts *counts = fw_flow_counts_here();
	struct fw_flow_bucket *bucket;
	int done = FW_PROXIED_IS_IN;
	__u32 tag, way;
	__u64 hash;

	if (!table || !flow || !counts)
		return 0;
	hash = fw_flow_hash(&flow->key, table->keys);
	tag = fw_flow_tag(hash);
	bucket = fw_flow_bucket_of(table, hash);
	if (!bucket)
		return 0;
	if (!fw_lock(&bucket->lock)) {
		counts->busy++;
		return 0;
	}
	way = fw_find_way(bucket, &flow->key, tag);
	if (way != FW_NO_WAY && !fw_gives_way(fw_flow_at(bucket, way), now)) {
		fw_unlock(&bucket->lock);
		return 0;
	}
	if (way == FW_NO_WAY) {
		counts->opened++;
		done |= FW_PROXIED_IS_NEW;
	}
	way = fw_find_proxied_way(bucket, way, now);
	asm volatile("" : "+r"(way));
	way &= 15;
	bucket->flows[way] = *flow;
	bucket->tags[way] = tag;
	fw_unlock(&bucket->lock);
	return done;
}

/* Notes the connection that an ACK with a cookie opens: the packet that was followed last. A global function,
 * as the next one. */
__noinline int fw_open_proxied(struct fw_proxy_room *room, __u32 half)
{
	const struct fw_generation *generation = bpf_map_lookup_elem(&policy, &half);
	__u32 zero = 0;
	const struct fw_control *held = bpf_map_lookup_elem(&control, &zero);
	struct fw_flow_room *flows = bpf_map_lookup_elem(&flow_room, &zero);
	int done;

	if (!room || !generation || !held || !flows)
		return false;
	fw_make_proxied(flows, room);
	if (!fw_changes_flows())
		return true;
	flows->flow.expires = fw_flow_now() + generation->timeouts[FW_TCP_SYN_SENT];
	done = fw_insert_proxied(&held->flows, &flows->flow, fw_flow_now());
	if (done & FW_PROXIED_IS_NEW)
		fw_note_flow(FW_HAPPENED_OPENED, flows->following.sender);
	return done & FW_PROXIED_IS_IN;
}

/* Makes the ACK the SYN that the server gets. */
__noinline int fw_make_syn(fw_ctx *ctx, const struct fw_packet *packet, struct fw_proxy_room *room)
{
	__u32 zero = 0, *words, header;
	struct fw_answering *answer = bpf_map_lookup_elem(&answers, &zero);
	const struct fw_tcp_head *tcp;

	if (!packet || !room || !answer)
		return false;
	tcp = (const void *)room->before;
	words = fw_answer_word(answer, FW_ANSWER_TRANSPORT);
	words[0] = bpf_htonl((__u32)bpf_ntohs(tcp->source) << 16 | bpf_ntohs(tcp->destination));
	words[1] = bpf_htonl(room->sequence);
	words[2] = 0;
	fw_begin_segment(answer, packet, FW_TCP_SYN << 16 | fw_whole_window(room));
	fw_add_options(answer, &room->options, room->options.time_at ? room->options.time ?: 1 : 0, 0);
	answer->link = packet->l3_offset;
	if (packet->family == FW_FAMILY_IPV4)
		fw_answer_ipv4(packet, answer, false, packet->ttl);
	else
		fw_answer_ipv6(packet, answer, false, packet->ttl);
	header = fw_ctx_left_checksum(ctx, packet, answer);
	if (header == FW_CANNOT_ANSWER)
		return false;
	fw_finish_answer(packet, answer, header);
	return fw_ctx_replace(ctx, answer);
}

/* What is part of no connection. Answers as fw_synproxy(). */
static __always_inline int fw_shake_hands(fw_ctx *ctx, const struct fw_packet *packet,
					  struct fw_proxy_room *room, __u32 half)
{
	__u8 flags = packet->tcp_flags & (FW_TCP_SYN | FW_TCP_ACK | FW_TCP_RST | FW_TCP_FIN);
	bool is_whole = packet->fragment == FW_FRAGMENT_NONE || packet->fragment == FW_FRAGMENT_ATOMIC;

	if (packet->protocol != IPPROTO_TCP || !is_whole || (flags != FW_TCP_SYN && flags != FW_TCP_ACK))
		return -FW_REASON_COOKIE_INVALID;
	if (!fw_read_header(ctx, packet, room))
		return -FW_REASON_SYNPROXY_FAILED;
	if (flags == FW_TCP_SYN)
		return fw_ctx_may_rewrite() ? fw_answer_syn(ctx, packet, room) : -FW_REASON_SYNPROXY_FAILED;
	if (!fw_take_cookie(packet, room))
		return -FW_REASON_COOKIE_INVALID;
	if (!fw_ctx_translates())
		return fw_hands_on ? FW_HAND_ON : -FW_REASON_SYNPROXY_FAILED;
	fw_restore_options(packet, room);
	if (!fw_open_proxied(room, half) || !fw_make_syn(ctx, packet, room))
		return -FW_REASON_SYNPROXY_FAILED;
	return -FW_REASON_COOKIE_ACCEPTED;
}

/* `request` of fw_synproxy(). */
enum {
	FW_REQUEST_HALF = 1 << 0,
	FW_REQUEST_OUT = 1 << 1,   /* direction */
	FW_REQUEST_OPENS = 1 << 2, /* a rule with the action matched */
};

/*
 * The action of the hook that sends the answer to a SYN; the negated reason that the packet has now;
 * FW_TO_KERNEL: nothing, or it is translated; FW_HAND_ON: TC is to do it. A global function, as in
 * fw_parse().
 */
__noinline int fw_synproxy(fw_ctx *ctx, const struct fw_packet *packet, __u32 request)
{
	__u32 zero = 0;
	struct fw_proxy_room *room = bpf_map_lookup_elem(&proxy_room, &zero);

	if (!packet || !room)
		return -FW_REASON_SYNPROXY_FAILED;
	if (packet->flags & FW_PACKET_PROXIED)
		return fw_translate(ctx, packet, room, !!(request & FW_REQUEST_OUT));
	if (!(request & FW_REQUEST_OPENS) || packet->state == FW_STATE_ESTABLISHED ||
	    packet->state == FW_STATE_RELATED)
		return FW_TO_KERNEL;
	return fw_shake_hands(ctx, packet, room, request & FW_REQUEST_HALF);
}

#endif
