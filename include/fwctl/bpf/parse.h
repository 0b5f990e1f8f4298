/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * First stage: from the bytes of a frame to struct fw_packet.
 *
 * Promises: docs/parsing.md. Answers FW_UNDECIDED when the packet is well-formed or not IP, else the reason
 * for which it is dropped. What was found before the fault stays in the packet.
 */
#ifndef FWCTL_BPF_PARSE_H
#define FWCTL_BPF_PARSE_H

#include <linux/if_ether.h>

#include "fwctl/abi/limits.h"
#include "fwctl/bpf/maps.h"
#include "fwctl/bpf/parse_ipv4.h"
#include "fwctl/bpf/parse_ipv6.h"

struct fw_vlan_header {
	__be16 tag;
	__be16 ethertype;
};

enum { FW_VLAN_ID = 0x0fff };

static __always_inline __u64 fw_mac_number(const __u8 mac[ETH_ALEN])
{
	const __be16 *words = (const void *)mac;

	return (__u64)bpf_ntohs(words[0]) << 32 | (__u64)bpf_ntohs(words[1]) << 16 | bpf_ntohs(words[2]);
}

static __always_inline bool fw_is_vlan(__u16 ethertype)
{
	return ethertype == ETH_P_8021Q || ethertype == ETH_P_8021AD;
}

/* Ethernet and its VLAN tags: sets the ethertype and where layer 3 begins. */
static __always_inline __u8 fw_parse_ethernet(fw_ctx *ctx, struct fw_packet *packet)
{
	struct ethhdr room;
	const struct ethhdr *ethernet = fw_ctx_at(ctx, 0, &room, sizeof(room));
	__u32 offset = sizeof(room);
	__u16 ethertype;

	if (!ethernet)
		return FW_REASON_TRUNCATED_ETHERNET;
	ethertype = bpf_ntohs(ethernet->h_proto);
	packet->source_mac = fw_mac_number(ethernet->h_source);
	if (fw_ctx_stripped_tag(ctx, &packet->vlan[0])) {
		packet->vlan_tags = 1;
		packet->vlan_id = packet->vlan[0] & FW_VLAN_ID;
	}

	for (__u32 tag = 0; tag <= FW_MAX_VLAN_TAGS && fw_is_vlan(ethertype); tag++) {
		struct fw_vlan_header room_for_tag;
		const struct fw_vlan_header *vlan;

		packet->ethertype = ethertype;
		if (packet->vlan_tags >= FW_MAX_VLAN_TAGS)
			return FW_REASON_VLAN_DEPTH;
		vlan = fw_ctx_at(ctx, offset, &room_for_tag, sizeof(room_for_tag));
		if (!vlan)
			return FW_REASON_TRUNCATED_VLAN;
		/* Not indexed: the verifier refuses a variable offset into the stack as clang 14 forms it. */
		if (packet->vlan_tags == 0) {
			packet->vlan[0] = bpf_ntohs(vlan->tag);
			packet->vlan_id = packet->vlan[0] & FW_VLAN_ID;
		} else {
			packet->vlan[1] = bpf_ntohs(vlan->tag);
		}
		packet->vlan_tags++;
		ethertype = bpf_ntohs(vlan->ethertype);
		offset += sizeof(*vlan);
	}
	packet->ethertype = ethertype;
	packet->l3_offset = offset;
	return FW_UNDECIDED;
}

/* Devices without a link header: the version nibble says what the packet is. */
static __always_inline __u8 fw_parse_bare_ip(fw_ctx *ctx, struct fw_packet *packet)
{
	__u8 room;
	const __u8 *first = fw_ctx_at(ctx, 0, &room, sizeof(room));

	if (!first)
		return FW_REASON_TRUNCATED_ETHERNET;
	if (*first >> 4 == 4)
		packet->ethertype = ETH_P_IP;
	else if (*first >> 4 == 6)
		packet->ethertype = ETH_P_IPV6;
	return FW_UNDECIDED;
}

/*
 * A global function: the verifier goes through it once, whatever its callers do with the many ways in which
 * it ends.
 */
__noinline int fw_parse(fw_ctx *ctx, struct fw_packet *packet)
{
	__u8 reason;

	if (!packet)
		return FW_REASON_TRUNCATED_ETHERNET;

	packet->length = fw_ctx_length(ctx);
	reason = fw_link == FW_LINK_IP ? fw_parse_bare_ip(ctx, packet) : fw_parse_ethernet(ctx, packet);
	if (reason != FW_UNDECIDED)
		return reason;
	packet->network_length = packet->length - packet->l3_offset;

	switch (packet->ethertype) {
	case ETH_P_IP:
		packet->family = FW_FAMILY_IPV4;
		return fw_parse_ipv4(ctx, packet);
	case ETH_P_IPV6:
		packet->family = FW_FAMILY_IPV6;
		return fw_parse_ipv6(ctx, packet);
	default:
		return FW_UNDECIDED;
	}
}

#endif
