/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The packet's context in an XDP program.
 *
 * This header and ctx_skb.h define the same names and are the only ones that know the context's type: the
 * stages are written against these. Promises: no read beyond the frame; a multi-buffer frame is read whole.
 */
#ifndef FWCTL_BPF_CTX_XDP_H
#define FWCTL_BPF_CTX_XDP_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <stdbool.h>

#include "fwctl/abi/state.h"
#include "fwctl/bpf/read.h"

typedef struct xdp_md fw_ctx;

enum {
	FW_ACTION_PASS = XDP_PASS,
	FW_ACTION_DROP = XDP_DROP,
};

static __always_inline __u32 fw_ctx_length(fw_ctx *ctx)
{
	return bpf_xdp_get_buff_len(ctx);
}

/*
 * `size` bytes, a constant, at `offset`: in the frame itself, or where that is in pieces a copy in `room`;
 * NULL when the frame ends before.
 */
static __always_inline const void *fw_ctx_at(fw_ctx *ctx, __u32 offset, void *room, const __u32 size)
{
	const void *end = (const void *)(long)ctx->data_end;
	const void *from = (const void *)(long)ctx->data;

	if (!fw_offset_fits(&offset))
		return NULL;
	from += offset;
	if (from + size <= end)
		return from;
	return bpf_xdp_load_bytes(ctx, offset, room, size) == 0 ? room : NULL;
}

/* The same for a number of bytes that is known only now; not 0. */
static __always_inline bool fw_ctx_read(fw_ctx *ctx, __u32 offset, void *to, __u32 size)
{
	return bpf_xdp_load_bytes(ctx, offset, to, size) == 0;
}

/* XDP has no word for a tag that the device stripped: it cannot be seen here. */
static __always_inline bool fw_ctx_stripped_tag(fw_ctx *ctx, __u16 *tag)
{
	(void)ctx;
	(void)tag;
	return false;
}

/* As it stands in a frame, in words of the network's order. */
static __always_inline bool fw_ctx_stripped_header(fw_ctx *ctx, __be16 header[2])
{
	(void)ctx;
	(void)header;
	return false;
}

static __always_inline __u8 fw_ctx_hook(__u32 direction)
{
	(void)direction;
	return FW_HOOK_XDP;
}

#include "fwctl/bpf/deliver_xdp.h"

#endif
