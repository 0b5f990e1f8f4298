/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Events (include/fwctl/abi/event.h).
 *
 * Promises: while nobody listens, a packet pays one load and a branch. A listener that is too slow loses
 * events, which are counted, and keeps no packet and no other listener waiting. Processors that write to one
 * ring at a time wait for each other.
 */
#ifndef FWCTL_BPF_TELL_H
#define FWCTL_BPF_TELL_H

#include "fwctl/bpf/decision.h"
#include "fwctl/bpf/maps.h"
#include "fwctl/bpf/talkers.h"

/* What all listeners are told alike, beside packet and decision. */
struct fw_told {
	__u64 time;
	__u32 generation;
	__u32 direction;
};

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
	event->direction = told->direction;
	event->reason = decision->reason;
	event->generation = told->generation;
}

static __always_inline void fw_count_lost(__u32 slot)
{
	__u64 *lost = bpf_map_lookup_elem(&events_lost, &slot);

	if (lost)
		++*lost;
}

static __always_inline void fw_tell_one(__u32 slot, const struct fw_packet *packet,
					const struct fw_decision *decision, const struct fw_told *told)
{
	void *ring = bpf_map_lookup_elem(&event_rings, &slot);
	struct fw_event *event = NULL;

	/* Reserving takes the ring's lock: where it is full, in a flood, processors need not wait for that.
	 */
	if (ring && bpf_ringbuf_query(ring, BPF_RB_AVAIL_DATA) + sizeof(*event) + BPF_RINGBUF_HDR_SZ <=
			    bpf_ringbuf_query(ring, BPF_RB_RING_SIZE))
		event = bpf_ringbuf_reserve(ring, sizeof(*event), 0);

	if (!event) {
		fw_count_lost(slot);
		return;
	}
	fw_fill_event(event, packet, decision, told);
	bpf_ringbuf_submit(event, BPF_RB_NO_WAKEUP); /* a listener looks by itself, see event.h */
}

/* A global function, as fw_parse(). */
__noinline int fw_tell(const struct fw_packet *packet, const struct fw_decision *decision, __u32 generation,
		       __u32 direction)
{
	__u32 zero = 0;
	const struct fw_listeners *all = bpf_map_lookup_elem(&listeners, &zero);
	struct fw_control *held = bpf_map_lookup_elem(&control, &zero);
	const struct fw_told told = {bpf_ktime_get_ns(), generation, direction};
	__u64 heard, wanted = 0;

	if (!packet || !decision || !all || !held)
		return 0;
	heard = held->heard;
#pragma clang loop unroll(disable)
	for (__u32 slot = 0; slot < FW_MAX_LISTENERS; slot++) {
		const struct fw_listener *listener = &all->each[slot];

		if (listener->until < told.time)
			continue;
		wanted |= listener->reasons;
		if (listener->talkers)
			fw_note_talker(packet, decision, slot, listener->talkers - 1);
		else if (listener->reasons >> (decision->reason & 63) & 1 &&
			 (listener->one_of <= 1 || bpf_get_prandom_u32() % listener->one_of == 0))
			fw_tell_one(slot, packet, decision, &told);
	}
	/* Should one with the same reasons have come since, it adds them again. */
	if (heard & ~wanted)
		__sync_val_compare_and_swap(&held->heard, heard, heard & wanted);
	return 0;
}

#endif
