/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A TCP header with its options in struct fw_proxy_room: read whole, changed there, written back whole.
 *
 * Promises: its length stays, and so does the place of its checksum, whether that is whole or left to the
 * device.
 */
#ifndef FWCTL_BPF_TCP_HEADER_H
#define FWCTL_BPF_TCP_HEADER_H

#include "fwctl/abi/synproxy.h"
#include "fwctl/bpf/answer.h"
#include "fwctl/bpf/tcp.h"

enum {
	FW_TCP_OPTION_MSS = 2,
	FW_TCP_OPTION_MSS_SIZE = 4,
	FW_TCP_OPTION_SACK_PERMITTED = 4,
	FW_TCP_OPTION_SACK = 5,
	FW_TCP_SACK_NUMBERS = 8, /* of four blocks */
	FW_TCP_SEQUENCE = 4,	 /* octets from the start of the header */
};

/* Options need not be aligned. */
struct fw_odd_word {
	__be32 value;
} __attribute__((packed));

static __always_inline __u32 fw_get_word(const __u8 *header, __u32 at)
{
	asm volatile("" : "+r"(at));
	at &= 63;
	return bpf_ntohl(((const struct fw_odd_word *)(header + at))->value);
}

static __always_inline void fw_put_word(__u8 *header, __u32 at, __u32 value)
{
	asm volatile("" : "+r"(at));
	at &= 63;
	((struct fw_odd_word *)(header + at))->value = bpf_htonl(value);
}

static __always_inline __u8 *fw_octet(__u8 *header, __u32 at)
{
	asm volatile("" : "+r"(at));
	at &= 63;
	return header + at;
}

static __always_inline void fw_note_option(struct fw_proxy_room *room, __u32 at, __u8 kind, __u8 length)
{
	struct fw_tcp_options *options = &room->options;
	__u8 *header = room->before;

	if (kind == FW_TCP_OPTION_MSS && length == FW_TCP_OPTION_MSS_SIZE)
		options->mss = fw_get_word(header, at) & 0xffff;
	if (kind == FW_TCP_OPTION_SACK_PERMITTED)
		options->flags |= FW_OPTION_SACK;
	if (kind == FW_TCP_OPTION_SCALE && length == FW_TCP_OPTION_SCALE_SIZE) {
		__u8 scale = *fw_octet(header, at + 2);

		options->scale = scale < FW_TCP_LARGEST_SCALE ? scale : FW_TCP_LARGEST_SCALE;
		options->flags |= FW_OPTION_SCALE;
	}
	if (kind == FW_TCP_OPTION_TIME && length == FW_TCP_OPTION_TIME_SIZE) {
		options->time_at = at + 2;
		options->time = fw_get_word(header, at + 2);
		options->echo = fw_get_word(header, at + 6);
	}
	if (kind == FW_TCP_OPTION_SACK) {
		options->sack_at = at + 2;
		options->sack_end = at + length;
	}
}

/* The option that stands there: where the next one does; 0: there is none. A global function, verified once.
 */
__noinline int fw_read_option(struct fw_proxy_room *room, __u32 at)
{
	__u8 kind, length;

	if (!room || at >= room->header)
		return 0;
	kind = *fw_octet(room->before, at);
	if (kind == FW_TCP_OPTION_END)
		return 0;
	if (kind == FW_TCP_OPTION_NOTHING)
		return at + 1;
	length = *fw_octet(room->before, at + 1);
	if (length < 2 || at + length > room->header)
		return 0;
	fw_note_option(room, at, kind, length);
	return at + length;
}

/* Of the header in `before`. */
static __always_inline void fw_read_options(struct fw_proxy_room *room)
{
	__u32 at = FW_TCP_HEADER;

	room->options = (struct fw_tcp_options){};
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < FW_TCP_MAX_OPTIONS && at; i++)
		at = fw_read_option(room, at);
}

/* Into both `before` and `after`. */
__noinline int fw_read_header(fw_ctx *ctx, const struct fw_packet *packet, struct fw_proxy_room *room)
{
	__u32 header;

	if (!packet || !room)
		return false;
	__builtin_memset(room->before, 0, sizeof(room->before));
	if (!fw_ctx_read(ctx, packet->l4_offset, room->before, FW_TCP_HEADER))
		return false;
	header = (room->before[12] >> 4) * 4;
	if (header < FW_TCP_HEADER || !fw_size_fits(&header, FW_MAX_TCP_HEADER) ||
	    !fw_ctx_read(ctx, packet->l4_offset, room->before, header))
		return false;
	room->header = header;
	fw_read_options(room);
	__builtin_memcpy(room->after, room->before, sizeof(room->after));
	return true;
}

/* Writes `after` in the place of `before`, with the checksum, and makes it `before`. */
__noinline int fw_write_header(fw_ctx *ctx, const struct fw_packet *packet, struct fw_proxy_room *room)
{
	/* The checksum stands in the packet alone; the next one to write must not undo it. */
	if (!packet || !room || !fw_ctx_write_header(ctx, packet->l4_offset, room) ||
	    !fw_ctx_read(ctx, packet->l4_offset + FW_TCP_CHECKSUM, &room->after[FW_TCP_CHECKSUM], 2))
		return false;
	__builtin_memcpy(room->before, room->after, sizeof(room->before));
	return true;
}

#endif
