/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What happens beside verdicts, for those who listen: enum fw_happening.
 *
 * Promises: what happens to a flow is noted where it does, which costs a look-up, and told once, when the
 * packet's way through the rules, or to a backend, is over. While nobody listens nothing is told, and what
 * was noted is forgotten.
 */
#ifndef FWCTL_BPF_HAPPEN_H
#define FWCTL_BPF_HAPPEN_H

#include "fwctl/bpf/now.h"
#include "fwctl/bpf/service.h"
#include "fwctl/bpf/tell.h"

static __always_inline bool fw_hears(__u32 happening)
{
	__u32 zero = 0;
	const struct fw_control *held = bpf_map_lookup_elem(&control, &zero);

	return held && !fw_silent && *(const volatile __u64 *)&held->heard >> happening & 1;
}

/* Of fw_flow_room.happened. */
static __always_inline __u8 fw_flow_bit(__u32 happening)
{
	return 1 << (happening - FW_HAPPENED_CONFIRMED);
}

/* `opener`: which end of the packet's flow has opened it. */
static __always_inline void fw_note_flow(__u32 happening, __u8 opener)
{
	__u32 zero = 0;
	struct fw_flow_room *room = bpf_map_lookup_elem(&flow_room, &zero);

	if (!room)
		return;
	room->happened |= fw_flow_bit(happening);
	room->opener = opener;
}

/* Before anything can happen. Not inlined, as fw_is_marked(). */
static __noinline void fw_begin_telling(const struct fw_now *now)
{
	__u32 zero = 0;
	struct fw_telling *mine = bpf_map_lookup_elem(&telling, &zero);
	struct fw_flow_room *room = bpf_map_lookup_elem(&flow_room, &zero);

	if (!mine || !room)
		return;
	mine->generation = now->number;
	mine->direction = now->direction;
	mine->listens = true;
	room->happened = 0;
	room->pushed_count = 0;
}

/* `opener`: which of the ends. Ports, or with ICMP the type, stand as in fw_flow_rest(). */
static __always_inline void fw_put_flow(struct fw_packet *flow, const struct fw_flow_key *key, __u32 opener)
{
	const __u64 *from = opener ? key->ends[1] : key->ends[0], *to = opener ? key->ends[0] : key->ends[1];
	__u16 first = key->rest, second = key->rest >> 16;

	__builtin_memset(flow, 0, sizeof(*flow));
	__builtin_memcpy(&flow->source, from, sizeof(flow->source));
	__builtin_memcpy(&flow->destination, to, sizeof(flow->destination));
	flow->protocol = key->rest >> 32;
	flow->family = key->rest >> 40;
	flow->flags = FW_PACKET_L4;
	flow->vlan_id = FW_NO_VLAN;
	if (fw_is_icmp(flow->family, flow->protocol)) {
		flow->selector = second << 8;
		return;
	}
	flow->source_port = opener ? second : first;
	flow->selector = opener ? first : second;
}

/* A global function, as fw_tell(). */
__noinline int fw_tell_flow(struct fw_telling *mine, const struct fw_flow_key *key, __u32 opener, __u32 what)
{
	struct fw_decision decision = {.reason = what, .rule = FW_NO_RULE};

	if (!mine || !key)
		return 0;
	fw_put_flow(&mine->flow, key, opener);
	return fw_tell_beside(&mine->flow, &decision, mine);
}

static __always_inline bool fw_has_happened(const struct fw_flow_room *room, __u32 happening)
{
	return room->happened & fw_flow_bit(happening);
}

static __always_inline void fw_tell_pushed(struct fw_telling *mine, struct fw_flow_room *room)
{
	if (room->pushed_count > 0)
		fw_tell_flow(mine, &room->pushed[0], room->pushed_openers[0], FW_HAPPENED_PUSHED_OUT);
	if (room->pushed_count > 1)
		fw_tell_flow(mine, &room->pushed[1], room->pushed_openers[1], FW_HAPPENED_PUSHED_OUT);
}

/*
 * All that was noted, in the order in which it happened. Should somebody come in the midst of the next
 * packet, that one tells nothing by this one's names. A global function, as fw_tell().
 */
__noinline int fw_tell_happened(const struct fw_packet *packet)
{
	struct fw_decision placed = {.reason = FW_HAPPENED_PLACED, .rule = FW_NO_RULE};
	__u32 zero = 0;
	struct fw_telling *mine = bpf_map_lookup_elem(&telling, &zero);
	struct fw_flow_room *room = bpf_map_lookup_elem(&flow_room, &zero);

	if (!packet || !mine || !room)
		return 0;
	mine->listens = false;
	if (!room->happened)
		return 0;
	if (fw_has_happened(room, FW_HAPPENED_CONFIRMED))
		fw_tell_flow(mine, &room->following.key, room->opener, FW_HAPPENED_CONFIRMED);
	if (fw_has_happened(room, FW_HAPPENED_CLOSED))
		fw_tell_flow(mine, &room->following.key, room->opener, FW_HAPPENED_CLOSED);
	if (fw_has_happened(room, FW_HAPPENED_PUSHED_OUT))
		fw_tell_pushed(mine, room);
	if (fw_has_happened(room, FW_HAPPENED_OPENED))
		fw_tell_flow(mine, &room->following.key, room->opener, FW_HAPPENED_OPENED);
	if (fw_has_happened(room, FW_HAPPENED_PLACED))
		fw_tell_beside(packet, &placed, mine);
	room->happened = 0;
	return 0;
}

#endif
