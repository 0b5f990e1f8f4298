/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reads a TCP segment as far as its connection depends on it.
 */
#ifndef FWCTL_BPF_SEGMENT_H
#define FWCTL_BPF_SEGMENT_H

#include <linux/in.h>
#include <bpf/bpf_endian.h>

#include "fwctl/abi/flow.h"
#include "fwctl/bpf/parse_l4.h"

enum fw_segment_kind {
	FW_SEGMENT_SYN = 0,
	FW_SEGMENT_SYN_ACK = 1,
	FW_SEGMENT_FIN = 2,
	FW_SEGMENT_ACK = 3,
	FW_SEGMENT_RST = 4,
	FW_SEGMENT_NONE = 5, /* none of the flags: never sent */
	FW_SEGMENT_KINDS = 6,
};

/* Every other combination is one that no end sends. */
static __always_inline bool fw_tcp_flags_are_possible(__u8 flags)
{
	switch (flags & (FW_TCP_SYN | FW_TCP_FIN | FW_TCP_RST | FW_TCP_ACK | FW_TCP_URG)) {
	case FW_TCP_SYN:
	case FW_TCP_SYN | FW_TCP_URG:
	case FW_TCP_SYN | FW_TCP_ACK:
	case FW_TCP_RST:
	case FW_TCP_RST | FW_TCP_ACK:
	case FW_TCP_FIN | FW_TCP_ACK:
	case FW_TCP_FIN | FW_TCP_ACK | FW_TCP_URG:
	case FW_TCP_ACK:
	case FW_TCP_ACK | FW_TCP_URG:
		return true;
	default:
		return false;
	}
}

static __always_inline __u8 fw_segment_kind_of(__u8 flags)
{
	if (flags & FW_TCP_RST)
		return FW_SEGMENT_RST;
	if (flags & FW_TCP_SYN)
		return flags & FW_TCP_ACK ? FW_SEGMENT_SYN_ACK : FW_SEGMENT_SYN;
	if (flags & FW_TCP_FIN)
		return FW_SEGMENT_FIN;
	return flags & FW_TCP_ACK ? FW_SEGMENT_ACK : FW_SEGMENT_NONE;
}

enum {
	FW_TCP_MAX_OPTIONS = 40, /* octets */
	FW_TCP_OPTION_END = 0,
	FW_TCP_OPTION_NOTHING = 1,
	FW_TCP_OPTION_SCALE = 3,
	FW_TCP_OPTION_SCALE_SIZE = 3,
	FW_TCP_OPTION_TIME = 8,
	FW_TCP_OPTION_TIME_SIZE = 10,
	FW_TCP_LARGEST_SCALE = 14, /* RFC 7323, section 2.3 */
};

struct fw_option_walk {
	__u8 options[64]; /* a power of two, so that a mask bounds the index */
	__u32 at;
	__u32 size;
	__u32 time;
	struct fw_tcp_terms terms;
};

static __always_inline __u8 fw_option_octet(const struct fw_option_walk *walk, __u32 at)
{
	asm volatile("" : "+r"(at));
	at &= sizeof(walk->options) - 1;
	return walk->options[at];
}

static long fw_read_term(__u32 turn __attribute__((unused)), struct fw_option_walk *walk)
{
	__u32 at = walk->at;
	__u8 kind = fw_option_octet(walk, at), length = fw_option_octet(walk, at + 1);

	if (at >= walk->size || kind == FW_TCP_OPTION_END)
		return 1;
	if (kind == FW_TCP_OPTION_NOTHING)
		length = 1;
	else if (length < 2)
		return 1;
	if (kind == FW_TCP_OPTION_SCALE && length == FW_TCP_OPTION_SCALE_SIZE) {
		__u8 scale = fw_option_octet(walk, at + 2);

		walk->terms.flags |= FW_TCP_SCALES;
		walk->terms.scale = scale < FW_TCP_LARGEST_SCALE ? scale : FW_TCP_LARGEST_SCALE;
	}
	if (kind == FW_TCP_OPTION_TIME && length == FW_TCP_OPTION_TIME_SIZE) {
		walk->terms.flags |= FW_TCP_STAMPS;
		walk->time = (__u32)fw_option_octet(walk, at + 2) << 24 |
			     fw_option_octet(walk, at + 3) << 16 | fw_option_octet(walk, at + 4) << 8 |
			     fw_option_octet(walk, at + 5);
	}
	walk->at = at + length;
	return 0;
}

/* The scale of windows and the timestamp, from the options of a SYN. A global function with a loop of the
 * kernel's own: a turn is verified once. */
__noinline int fw_read_terms(fw_ctx *ctx, __u32 offset, __u32 size, struct fw_segment *segment)
{
	struct fw_option_walk walk = {};

	if (!segment || !fw_size_fits(&size, FW_TCP_MAX_OPTIONS) ||
	    !fw_ctx_read(ctx, offset, walk.options, size))
		return 0;
	walk.size = size;
	bpf_loop(FW_TCP_MAX_OPTIONS, fw_read_term, &walk, 0);
	segment->terms = walk.terms;
	segment->time = walk.time;
	return 0;
}

/* `end` is where the IP packet ends, from the start of the frame. */
static __always_inline bool fw_read_segment(fw_ctx *ctx, const struct fw_packet *packet, __u32 end,
					    struct fw_segment *segment)
{
	struct {
		__be32 ports, sequence, acknowledgment;
		__u8 offset, flags;
		__be16 window;
		__be32 rest;
	} room;
	const __typeof__(room) *tcp = fw_ctx_at(ctx, packet->l4_offset, &room, sizeof(room));
	__u32 header, octets;

	if (!tcp)
		return false;
	header = (tcp->offset >> 4) * 4;
	octets = end - packet->l4_offset;
	octets = octets > header ? octets - header
				 : 0; /* the options of a first fragment may go on in the next */
	segment->sequence = bpf_ntohl(tcp->sequence);
	segment->acknowledgment = bpf_ntohl(tcp->acknowledgment);
	segment->window = bpf_ntohs(tcp->window);
	segment->flags = tcp->flags;
	segment->kind = fw_segment_kind_of(tcp->flags);
	segment->end = segment->sequence + octets + !!(tcp->flags & FW_TCP_SYN) + !!(tcp->flags & FW_TCP_FIN);
	if (tcp->flags & FW_TCP_SYN && header > FW_TCP_HEADER)
		fw_read_terms(ctx, packet->l4_offset + FW_TCP_HEADER, header - FW_TCP_HEADER, segment);
	return true;
}

#endif
