/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Packets with their bytes, for listeners that want these (include/fwctl/abi/event.h).
 *
 * Promises: the bytes before a change are those that came, although the reason is known only behind it: what
 * may be about to change is put aside while somebody wants bytes. What a listener does not get is counted,
 * as in tell.h. Include ctx_xdp.h or ctx_skb.h before it.
 */
#ifndef FWCTL_BPF_CAPTURE_H
#define FWCTL_BPF_CAPTURE_H

#include <linux/if_ether.h>
#include <bpf/bpf_endian.h>

#include "fwctl/bpf/decision.h"
#include "fwctl/bpf/maps.h"

/* What all listeners are told alike, beside packet and decision. */
struct fw_told {
	__u64 time;
	__u32 generation;
	__u32 how; /* enum fw_how_told */
};

enum fw_how_told {
	FW_TOLD_OUT = 1 << 0,	  /* direction */
	FW_TOLD_CHANGED = 1 << 1, /* what came may not be there any more */
	FW_TOLD_ASIDE = 1 << 2,	  /* but was put aside before */
	FW_TOLD_ACTION_SHIFT = 8, /* above it: the hook's action */
};

static __always_inline __u32 fw_direction_told(const struct fw_told *told)
{
	return told->how & FW_TOLD_OUT ? FW_OUT : FW_IN;
}

static __always_inline __s32 fw_action_told(const struct fw_told *told)
{
	return (__s32)told->how >> FW_TOLD_ACTION_SHIFT;
}

enum { FW_TAGGED_HEADER = 2 * ETH_ALEN + 4 }; /* link addresses, and a tag behind them */

static __always_inline void fw_fill_event(struct fw_event *event, const struct fw_packet *packet,
					  const struct fw_decision *decision, const struct fw_told *told)
{
	__u32 zero = 0;
	const struct fw_balance_room *room = bpf_map_lookup_elem(&balance_room, &zero);

	event->time = told->time;
	event->packet = *packet;
	event->rule = decision->rule;
	event->backend = packet->service && room ? room->backend : 0;
	event->slot = fw_slot;
	event->direction = fw_direction_told(told);
	event->reason = decision->reason;
	event->generation = told->generation;
}

static __always_inline void fw_count_lost(__u32 slot)
{
	__u64 *lost = bpf_map_lookup_elem(&events_lost, &slot);

	if (lost)
		++*lost;
}

/* Reserving takes the ring's lock: where it is full, in a flood, processors need not wait for that. */
static __always_inline bool fw_has_room(void *ring, __u32 size)
{
	return bpf_ringbuf_query(ring, BPF_RB_AVAIL_DATA) + size + BPF_RINGBUF_HDR_SZ <=
	       bpf_ringbuf_query(ring, BPF_RB_RING_SIZE);
}

static __always_inline struct fw_capture_room *fw_capture_room_of(__u32 slot)
{
	__u32 processor = bpf_get_smp_processor_id();
	void *rooms = bpf_map_lookup_elem(&capture_rooms, &slot);

	return rooms ? bpf_map_lookup_elem(rooms, &processor) : NULL;
}

/* The frame with the tag that the device has stripped where that stood: `most` bytes of it. */
static __always_inline __u32 fw_copy_tagged(fw_ctx *ctx, struct fw_capture_room *room, const __be16 tag[2],
					    __u32 length, __u32 most)
{
	__u32 rest = (length < most ? length : most) - FW_TAGGED_HEADER;

	if (length <= FW_TAGGED_HEADER || !fw_ctx_read(ctx, 0, room->bytes, 2 * ETH_ALEN))
		return 0;
	__builtin_memcpy(&room->bytes[2 * ETH_ALEN], tag, 4);
	if (most <= FW_TAGGED_HEADER)
		return most;
	if (!fw_size_fits(&rest, FW_MAX_CAPTURED - FW_TAGGED_HEADER) ||
	    !fw_ctx_read(ctx, 2 * ETH_ALEN, &room->bytes[FW_TAGGED_HEADER], rest))
		return 0;
	return FW_TAGGED_HEADER + rest;
}

/*
 * The first `most` bytes of the packet, as it is now, to the listener's room; none where they cannot be read.
 * A global function, as fw_parse().
 */
__noinline int fw_copy_frame(fw_ctx *ctx, __u32 slot, __u32 most)
{
	struct fw_capture_room *room = fw_capture_room_of(slot);
	__u32 length = fw_ctx_length(ctx), size = length < most ? length : most;
	__be16 tag[2];

	if (!room)
		return 0;
	room->head.captured = 0;
	if (fw_ctx_stripped_header(ctx, tag)) {
		room->head.length = length + sizeof(tag);
		room->head.captured = fw_copy_tagged(ctx, room, tag, length + sizeof(tag), most);
		return 0;
	}
	room->head.length = length;
	if (fw_size_fits(&size, FW_MAX_CAPTURED) && fw_ctx_read(ctx, 0, room->bytes, size))
		room->head.captured = size;
	return 0;
}

/* Takes away what nobody wants to hear of any more. Should one with the same reasons have come since, it adds
 * them again. Not inlined, as fw_is_marked(). */
static __noinline int fw_forget(__u64 heard, __u64 wanted)
{
	__u32 zero = 0;
	struct fw_control *held = bpf_map_lookup_elem(&control, &zero);

	if (held)
		__sync_val_compare_and_swap(&held->heard, heard, heard & wanted);
	return 0;
}

static __always_inline void fw_forget_frame(__u32 slot)
{
	struct fw_capture_room *room = fw_capture_room_of(slot);

	if (room)
		room->head.captured = 0;
}

/*
 * Of a packet that may be about to change. One that comes back to life meanwhile finds none, rather than
 * another packet's bytes. A global function, as fw_parse().
 */
__noinline int fw_put_aside(fw_ctx *ctx)
{
	__u32 zero = 0;
	const struct fw_listeners *all = bpf_map_lookup_elem(&listeners, &zero);
	const struct fw_control *held = bpf_map_lookup_elem(&control, &zero);
	__u64 heard, now = bpf_ktime_get_ns();
	bool is_wanted = false;

	if (!all || !held)
		return 0;
	heard = held->heard;
	fw_ctx_keep_link(ctx);
#pragma clang loop unroll(disable)
	for (__u32 slot = 0; slot < FW_MAX_LISTENERS; slot++) {
		const struct fw_listener *listener = &all->each[slot];

		if (!listener->bytes)
			continue;
		if (listener->until < now) {
			fw_forget_frame(slot);
			continue;
		}
		is_wanted = true;
		if (listener->points & FW_BEFORE)
			fw_copy_frame(ctx, slot, listener->bytes);
	}
	if (!is_wanted)
		fw_forget(heard, ~FW_HEARD_BYTES);
	return 0;
}

/* What is in the room to the listener's ring. Not inlined, as fw_is_marked(). */
static __noinline int fw_hand_over(struct fw_capture_room *room, __u32 slot, __u8 point)
{
	__u32 size = room->head.captured;
	void *ring = bpf_map_lookup_elem(&event_rings, &slot);

	room->head.point = point;
	if (!ring || !fw_size_fits(&size, FW_MAX_CAPTURED) || !fw_has_room(ring, sizeof(room->head) + size) ||
	    bpf_ringbuf_output(ring, room, sizeof(room->head) + size, BPF_RB_NO_WAKEUP))
		fw_count_lost(slot);
	room->head.captured = 0;
	return 0;
}

/* What leaves in the packet's place: none where it passes as it came, or is dropped. */
static __always_inline bool fw_leaves_changed(const struct fw_packet *packet,
					      const struct fw_decision *decision, const struct fw_told *told)
{
	if (!(told->how & FW_TOLD_CHANGED) || fw_action_told(told) == FW_ACTION_DROP)
		return false;
	return fw_action_told(told) != FW_ACTION_PASS || packet->flags & FW_PACKET_PROXIED ||
	       decision->reason == FW_REASON_COOKIE_ACCEPTED;
}

/* No addresses rather than old ones, and the type of what stands behind. `l3`: from where. */
static __always_inline void fw_wipe_link(struct fw_capture_room *room, __u32 l3)
{
	asm volatile("" : "+r"(l3));
	l3 &= 31;
	if (l3 < ETH_HLEN)
		return;
	__builtin_memset(room->bytes, 0, 2 * ETH_ALEN);
	room->bytes[l3 - 2] = room->bytes[l3] >> 4 == 6 ? ETH_P_IPV6 >> 8 : ETH_P_IP >> 8;
	room->bytes[l3 - 1] = room->bytes[l3] >> 4 == 6 ? ETH_P_IPV6 & 0xff : ETH_P_IP & 0xff;
}

/* Tells one listener that wants bytes. A global function, as fw_parse(). */
__noinline int fw_capture(fw_ctx *ctx, const struct fw_packet *packet, const struct fw_decision *decision,
			  const struct fw_told *told, __u32 slot)
{
	__u32 zero = 0;
	const struct fw_listeners *all = bpf_map_lookup_elem(&listeners, &zero);
	struct fw_capture_room *room = fw_capture_room_of(slot);
	const struct fw_listener *listener;

	if (!packet || !decision || !told || !all)
		return 0;
	if (!room || (told->how & FW_TOLD_CHANGED && !(told->how & FW_TOLD_ASIDE))) {
		fw_count_lost(slot);
		return 0;
	}
	listener = &all->each[slot & (FW_MAX_LISTENERS - 1)];
	fw_fill_event(&room->head.event, packet, decision, told);
	room->head.action = fw_action_told(told);
	room->head.hook = fw_ctx_hook(fw_direction_told(told));
	room->head.link = fw_link;
	if (listener->points & FW_BEFORE) {
		if (!(told->how & FW_TOLD_CHANGED))
			fw_copy_frame(ctx, slot, listener->bytes);
		fw_hand_over(room, slot, FW_BEFORE);
	}
	if (listener->points & FW_AFTER && fw_leaves_changed(packet, decision, told)) {
		fw_copy_frame(ctx, slot, listener->bytes);
		if (fw_link == FW_LINK_ETHERNET && fw_ctx_left_link(ctx))
			fw_wipe_link(room, packet->l3_offset + room->head.length - fw_ctx_length(ctx));
		fw_hand_over(room, slot, FW_AFTER);
	}
	return 0;
}

#endif
