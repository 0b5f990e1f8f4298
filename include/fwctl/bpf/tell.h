/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Events (include/fwctl/abi/event.h).
 *
 * Promises: while nobody listens, a packet pays one load and a branch. A listener that is too slow loses
 * events, which are counted, and keeps no packet and no other listener waiting.
 */
#ifndef FWCTL_BPF_TELL_H
#define FWCTL_BPF_TELL_H

#include "fwctl/bpf/decision.h"
#include "fwctl/bpf/maps.h"
#include "fwctl/bpf/now.h"

static __always_inline void fw_fill_event(struct fw_event *event, const struct fw_packet *packet,
					  const struct fw_decision *decision, __u32 direction, __u64 now)
{
	__u32 zero = 0;
	const struct fw_balance_room *room = bpf_map_lookup_elem(&balance_room, &zero);
	const struct fw_control *held = bpf_map_lookup_elem(&control, &zero);

	event->time = now;
	event->packet = *packet;
	event->rule = decision->rule;
	event->backend = packet->service && room ? room->backend : 0;
	event->slot = fw_slot;
	event->direction = direction;
	event->reason = decision->reason;
	event->generation = held ? fw_number_now(held) : 0;
}

static __always_inline void fw_count_lost(__u32 slot)
{
	__u64 *lost = bpf_map_lookup_elem(&events_lost, &slot);

	if (lost)
		++*lost;
}

static __always_inline bool fw_wants(const struct fw_listener *listener, __u8 reason)
{
	return listener->reasons >> (reason & 63) & 1 &&
	       (listener->one_of <= 1 || bpf_get_prandom_u32() % listener->one_of == 0);
}

/* A global function, as fw_parse(). */
__noinline int fw_tell(const struct fw_packet *packet, const struct fw_decision *decision, __u32 direction)
{
	__u32 zero = 0;
	struct fw_listeners *all = bpf_map_lookup_elem(&listeners, &zero);
	__u64 now = bpf_ktime_get_ns();

	if (!packet || !decision || !all)
		return 0;
#pragma clang loop unroll(disable)
	for (__u32 slot = 0; slot < FW_MAX_LISTENERS; slot++) {
		const struct fw_listener *listener = &all->each[slot];
		__u32 key = slot; /* on the stack: 6.1 would lose the bound of the loop's own there */
		struct fw_event *event;
		void *ring;

		if (!(all->there >> slot & 1))
			continue;
		/* Should a new one have come in between, it puts its bit back when it moves its deadline. */
		if (listener->until < now) {
			__sync_fetch_and_and(&all->there, ~(1u << slot));
			continue;
		}
		if (!fw_wants(listener, decision->reason))
			continue;
		ring = bpf_map_lookup_elem(&event_rings, &key);
		event = ring ? bpf_ringbuf_reserve(ring, sizeof(*event), 0) : NULL;
		if (!event) {
			fw_count_lost(key);
			continue;
		}
		fw_fill_event(event, packet, decision, direction, now);
		bpf_ringbuf_submit(event, 0);
	}
	return 0;
}

static __always_inline bool fw_is_heard(void)
{
	__u32 zero = 0;
	const struct fw_listeners *all = bpf_map_lookup_elem(&listeners, &zero);

	return all && all->there && !fw_silent;
}

#endif
