/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The packet's context in a TC program, ingress and egress: the same names as in ctx_xdp.h.
 *
 * Promises: as there. A socket buffer's headers may lie outside its linear part: they are read all the same.
 */
#ifndef FWCTL_BPF_CTX_SKB_H
#define FWCTL_BPF_CTX_SKB_H

#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <stdbool.h>

#include "fwctl/abi/packet.h"
#include "fwctl/abi/state.h"
#include "fwctl/bpf/read.h"

typedef struct __sk_buff fw_ctx;

enum {
	FW_ACTION_PASS = TC_ACT_UNSPEC, /* asks the next TC program or filter, as TCX_NEXT does */
	FW_ACTION_DROP = TC_ACT_SHOT,
};

static __always_inline __u32 fw_ctx_length(fw_ctx *ctx)
{
	return ctx->len;
}

static __always_inline const void *fw_ctx_at(fw_ctx *ctx, __u32 offset, void *room, const __u32 size)
{
	const void *end = (const void *)(long)ctx->data_end;
	const void *from = (const void *)(long)ctx->data;

	if (!fw_offset_fits(&offset))
		return NULL;
	from += offset;
	if (from + size <= end)
		return from;
	return bpf_skb_load_bytes(ctx, offset, room, size) == 0 ? room : NULL;
}

static __always_inline bool fw_ctx_read(fw_ctx *ctx, __u32 offset, void *to, __u32 size)
{
	return bpf_skb_load_bytes(ctx, offset, to, size) == 0;
}

static __always_inline bool fw_ctx_stripped_tag(fw_ctx *ctx, __u16 *tag)
{
	if (!ctx->vlan_present)
		return false;
	*tag = ctx->vlan_tci;
	return true;
}

static __always_inline bool fw_ctx_stripped_header(fw_ctx *ctx, __be16 header[2])
{
	if (!ctx->vlan_present)
		return false;
	header[0] = ctx->vlan_proto;
	header[1] = bpf_htons(ctx->vlan_tci);
	return true;
}

static __always_inline __u8 fw_ctx_hook(__u32 direction)
{
	return direction == FW_OUT ? FW_HOOK_TC_OUT : FW_HOOK_TC_IN;
}

#include "fwctl/bpf/deliver_skb.h"

#endif
