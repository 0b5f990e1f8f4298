/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Writing into a frame in XDP: its checksums are all there. patch_skb.h has the same for TC.
 *
 * Promises: false where the frame ends before. Of frames in several buffers, which are not sent on, that is
 * the first one: what is written here needs no call.
 */
#ifndef FWCTL_BPF_PATCH_XDP_H
#define FWCTL_BPF_PATCH_XDP_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <stdbool.h>

#include "fwctl/bpf/read.h"

enum fw_patch_flags {
	FW_PATCH_PSEUDO = 1 << 0, /* it was an address: here all is the same */
	FW_PATCH_UDP = 1 << 1,	  /* 0 is none, and stays */
};

/* Where the frame has `size` bytes, a constant, at that offset; NULL: it ends before. */
static __always_inline void *fw_ctx_place(fw_ctx *ctx, __u32 at, const __u32 size)
{
	void *place = (void *)(long)ctx->data;

	if (!fw_offset_fits(&at))
		return NULL;
	place += at;
	return place + size <= (void *)(long)ctx->data_end ? place : NULL;
}

/* A word, or pairs of them. In words: memcpy() of bytes goes byte by byte. */
static __always_inline bool fw_ctx_store(fw_ctx *ctx, __u32 at, const void *from, const __u32 size)
{
	void *to = fw_ctx_place(ctx, at, size);

	if (!to || (size != sizeof(fw_any32) && size % sizeof(fw_any64)))
		return false;
	if (size == sizeof(fw_any32))
		*(fw_any32 *)to = *(const fw_any32 *)from;
#pragma unroll
	for (__u32 i = 0; i < size / sizeof(fw_any64); i++)
		((fw_any64 *)to)[i] = ((const fw_any64 *)from)[i];
	return true;
}

static __always_inline bool fw_ctx_store_summed(fw_ctx *ctx, __u32 at, const void *from, const __u32 size)
{
	return fw_ctx_store(ctx, at, from, size);
}

/* RFC 1624: HC' = ~(~HC + ~m + m'), of which the last two are `difference`: of less than 48 bits. */
static __always_inline bool fw_ctx_patch(fw_ctx *ctx, __u32 at, __u64 difference, const __u32 flags)
{
	__u16 *place = fw_ctx_place(ctx, at, sizeof(*place)), check;
	__u64 sum;

	if (!place)
		return false;
	if (flags & FW_PATCH_UDP && !*place)
		return true;
	sum = difference + (__u16) ~*place;
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	check = ~((sum & 0xffff) + (sum >> 16));
	*place = flags & FW_PATCH_UDP && !check ? 0xffff : check;
	return true;
}

/* Of a transport header, of whose packet addresses and ports change: at once. */
static __always_inline bool fw_ctx_patch_ends(fw_ctx *ctx, __u32 at, __u32 addresses, __u32 ports,
					      const __u32 flags)
{
	return fw_ctx_patch(ctx, at, (__u64)addresses + ports, flags);
}

/* Of an IPv4 header. */
static __always_inline bool fw_ctx_patch_header(fw_ctx *ctx, __u32 at, __u32 difference)
{
	return fw_ctx_patch(ctx, at, difference, 0);
}

#endif
