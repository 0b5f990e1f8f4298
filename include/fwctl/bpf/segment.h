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

/* The scale of windows and the timestamp, from the options of a SYN. A global function, verified once. */
__noinline int fw_read_terms(fw_ctx *ctx, __u32 offset, __u32 size, struct fw_segment *segment)
{
	__u8 options[64] = {}; /* a power of two, so that a mask bounds the index */
	__u32 at = 0;

	if (!segment || !fw_size_fits(&size, FW_TCP_MAX_OPTIONS) || !fw_ctx_read(ctx, offset, options, size))
		return 0;
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < FW_TCP_MAX_OPTIONS; i++) {
		__u8 kind, length;

		asm volatile("" : "+r"(at));
		at &= 63;
		kind = options[at];
		if (at >= size || kind == FW_TCP_OPTION_END)
			return 0;
		if (kind == FW_TCP_OPTION_NOTHING) {
			at++;
			continue;
		}
		length = options[(at + 1) & 63];
		if (length < 2)
			return 0;
		if (kind == FW_TCP_OPTION_SCALE && length == FW_TCP_OPTION_SCALE_SIZE) {
			__u8 scale = options[(at + 2) & 63];

			segment->terms.flags |= FW_TCP_SCALES;
			segment->terms.scale = scale < FW_TCP_LARGEST_SCALE ? scale : FW_TCP_LARGEST_SCALE;
		}
		if (kind == FW_TCP_OPTION_TIME && length == FW_TCP_OPTION_TIME_SIZE) {
			segment->terms.flags |= FW_TCP_STAMPS;
			segment->time = (__u32)options[(at + 2) & 63] << 24 | options[(at + 3) & 63] << 16 |
					options[(at + 4) & 63] << 8 | options[(at + 5) & 63];
		}
		at += length;
		if (at >= size)
			return 0;
	}
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
