/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What most packets are: TCP, UDP or ICMP in IPv4 without options or in IPv6 without extension headers,
 * whole, and behind an Ethernet header without tags.
 *
 * Promises: of such a packet what fw_parse() would find, in a third of its instructions; of any other
 * nothing but the length, for fw_parse(). Faults are for that one, too.
 */
#ifndef FWCTL_BPF_PARSE_PLAIN_H
#define FWCTL_BPF_PARSE_PLAIN_H

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>

#include "fwctl/bpf/maps.h"
#include "fwctl/bpf/parse.h"

enum {
	FW_PLAIN_IPV4 = 0x45, /* version 4, five words of header */
	FW_TCP_FLAGS_AT = 12, /* two bytes: the header's length, and the flags */
};

/* Where layer 4 begins, from the start of the frame. */
enum {
	FW_PLAIN_L4_IPV4 = sizeof(struct ethhdr) + sizeof(struct iphdr),
	FW_PLAIN_L4_IPV6 = sizeof(struct ethhdr) + sizeof(struct ipv6hdr),
};

/* `left`: bytes of layer 4 by the IP header. So much is in the frame, and a TCP header in any case. `icmp`:
 * the family's. */
static __always_inline bool fw_take_plain_l4(struct fw_packet *packet, const void *l4, __u8 protocol,
					     __u32 left, const __u8 icmp)
{
	const struct fw_l4_head *head = l4;
	const __u8 *tcp = l4 + FW_TCP_FLAGS_AT;

	if (protocol == IPPROTO_TCP) {
		__u32 header = (tcp[0] >> 4) * 4;

		if (header < FW_TCP_HEADER || header > left)
			return false;
		packet->tcp_flags = tcp[1];
	} else if ((protocol != IPPROTO_UDP || left < FW_UDP_HEADER) &&
		   (protocol != icmp || left < FW_ICMP_HEADER)) {
		return false;
	}
	packet->protocol = protocol;
	if (protocol == icmp) {
		packet->selector = bpf_ntohs(head->source_or_type);
	} else {
		packet->source_port = bpf_ntohs(head->source_or_type);
		packet->selector = bpf_ntohs(head->destination);
	}
	packet->flags |= FW_PACKET_L4;
	return true;
}

/* As a whole word, as it is read: a load waits for two stores that it spans. */
static __always_inline void fw_put_ipv4(struct fw_address *to, __be32 address)
{
	const union {
		__be32 halves[2];
		__u64 word;
	} both = {.halves = {address}};

	__builtin_memcpy(to->bytes, &both.word, sizeof(both.word));
}

static __always_inline bool fw_take_plain_ipv4(fw_ctx *ctx, struct fw_packet *packet)
{
	const void *data = (const void *)(long)ctx->data, *end = (const void *)(long)ctx->data_end;
	const struct iphdr *ip = data + sizeof(struct ethhdr);
	__u32 total;

	if (data + FW_PLAIN_L4_IPV4 + FW_TCP_HEADER > end || *(const __u8 *)ip != FW_PLAIN_IPV4 ||
	    ip->frag_off & bpf_htons(FW_IPV4_MORE_FRAGMENTS | FW_IPV4_FRAGMENT_OFFSET))
		return false;
	total = bpf_ntohs(ip->tot_len);
	if (total < sizeof(*ip) || sizeof(struct ethhdr) + total > packet->length ||
	    !fw_take_plain_l4(packet, ip + 1, ip->protocol, total - sizeof(*ip), IPPROTO_ICMP))
		return false;
	fw_put_ipv4(&packet->source, ip->saddr);
	fw_put_ipv4(&packet->destination, ip->daddr);
	packet->family = FW_FAMILY_IPV4;
	packet->ttl = ip->ttl;
	packet->traffic_class = ip->tos;
	packet->l4_offset = FW_PLAIN_L4_IPV4;
	return true;
}

static __always_inline bool fw_take_plain_ipv6(fw_ctx *ctx, struct fw_packet *packet)
{
	const void *data = (const void *)(long)ctx->data, *end = (const void *)(long)ctx->data_end;
	const struct ipv6hdr *ip = data + sizeof(struct ethhdr);
	__u32 payload;

	if (data + FW_PLAIN_L4_IPV6 + FW_TCP_HEADER > end || ip->version != 6)
		return false;
	payload = bpf_ntohs(ip->payload_len);
	if (FW_PLAIN_L4_IPV6 + payload > packet->length ||
	    !fw_take_plain_l4(packet, ip + 1, ip->nexthdr, payload, IPPROTO_ICMPV6))
		return false;
	__builtin_memcpy(&packet->source, &ip->saddr, sizeof(ip->saddr));
	__builtin_memcpy(&packet->destination, &ip->daddr, sizeof(ip->daddr));
	packet->family = FW_FAMILY_IPV6;
	packet->ttl = ip->hop_limit;
	packet->traffic_class = ip->priority << 4 | ip->flow_lbl[0] >> 4;
	packet->l4_offset = FW_PLAIN_L4_IPV6;
	return true;
}

/* False: not taken. */
static __always_inline bool fw_parse_plain(fw_ctx *ctx, struct fw_packet *packet)
{
	const void *data = (const void *)(long)ctx->data, *end = (const void *)(long)ctx->data_end;
	const struct ethhdr *ethernet = data;
	__u16 ethertype, tag;

	if (fw_link != FW_LINK_ETHERNET || fw_ctx_stripped_tag(ctx, &tag) ||
	    (const void *)(ethernet + 1) > end)
		return false;
	packet->length = fw_ctx_length(ctx);
	ethertype = bpf_ntohs(ethernet->h_proto);
	if (ethertype == ETH_P_IP ? !fw_take_plain_ipv4(ctx, packet)
				  : ethertype != ETH_P_IPV6 || !fw_take_plain_ipv6(ctx, packet))
		return false;
	packet->ethertype = ethertype;
	packet->source_mac = fw_mac_number(ethernet->h_source);
	packet->l3_offset = sizeof(struct ethhdr);
	packet->network_length = packet->length - sizeof(struct ethhdr);
	return true;
}

#endif
