/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Events (include/fwctl/abi/event.h).
 *
 * Promises: while nobody listens, a packet pays for reading one word, and for a few branches on it. A
 * listener that is too slow loses events, which are counted, and keeps no packet and no other listener
 * waiting. Processors that write to one ring at a time wait for each other.
 */
#ifndef FWCTL_BPF_TELL_H
#define FWCTL_BPF_TELL_H

#include "fwctl/bpf/capture.h"
#include "fwctl/bpf/talkers.h"

/* Tells one listener. A global function, as fw_parse(): the verifier would go through it for each of them. */
__noinline int fw_tell_event(__u32 slot, const struct fw_packet *packet, const struct fw_decision *decision,
			     const struct fw_told *told)
{
	void *ring = bpf_map_lookup_elem(&event_rings, &slot);
	struct fw_event *event = NULL;

	if (!packet || !decision || !told)
		return 0;
	if (ring && fw_has_room(ring, sizeof(*event)))
		event = bpf_ringbuf_reserve(ring, sizeof(*event), 0);
	if (!event) {
		fw_count_lost(slot);
		return 0;
	}
	fw_fill_event(event, packet, decision, told);
	bpf_ringbuf_submit(event, BPF_RB_NO_WAKEUP); /* a listener looks by itself, see event.h */
	return 0;
}

/* `ctx`: NULL where events are all that anybody gets. */
static __always_inline int fw_tell_all(fw_ctx *ctx, const struct fw_packet *packet,
				       const struct fw_decision *decision, __u32 generation, __u32 how)
{
	__u32 zero = 0;
	const struct fw_listeners *all = bpf_map_lookup_elem(&listeners, &zero);
	const struct fw_control *held = bpf_map_lookup_elem(&control, &zero);
	const struct fw_told told = {bpf_ktime_get_ns(), generation, how};
	const struct fw_listener *listener;
	__u64 heard, wanted = 0;

	if (!packet || !decision || !all || !held)
		return 0;
	heard = held->heard;
	listener = all->each;
#pragma clang loop unroll(disable)
	for (__u32 slot = 0; slot < FW_MAX_LISTENERS; slot++, listener++) {
		/* Else clang 14 lets the loop fall into its own head, which 6.1 refuses ("back-edge"). */
		asm volatile("" : "+r"(listener));
		if (listener->until < told.time)
			continue;
		wanted |= listener->reasons | (listener->bytes ? FW_HEARD_BYTES : 0);
		if (!(listener->reasons >> (decision->reason & 63) & 1))
			continue;
		if (ctx && listener->talkers) {
			/* What goes out has been noted where it came in, or is this host's own. */
			if (!(how & FW_TOLD_OUT))
				fw_note_talker(packet, decision, slot, listener->talkers - 1);
		} else if (listener->one_of <= 1 || bpf_get_prandom_u32() % listener->one_of == 0) {
			if (ctx && listener->bytes)
				fw_capture(ctx, packet, decision, &told, slot);
			else
				fw_tell_event(slot, packet, decision, &told);
		}
	}
	if (heard & ~wanted)
		fw_forget(heard, wanted);
	return 0;
}

/* `how`: enum fw_how_told. A global function, as fw_parse(). */
__noinline int fw_tell(fw_ctx *ctx, const struct fw_packet *packet, const struct fw_decision *decision,
		       __u32 generation, __u32 how)
{
	return fw_tell_all(ctx, packet, decision, generation, how);
}

/* Of what has enum fw_happening in the reason's place: who wants bytes wants none of that. As fw_tell(). */
__noinline int fw_tell_beside(const struct fw_packet *packet, const struct fw_decision *decision,
			      const struct fw_telling *mine)
{
	if (!mine)
		return 0;
	return fw_tell_all(NULL, packet, decision, mine->generation,
			   mine->direction == FW_OUT ? FW_TOLD_OUT : 0);
}

#endif
