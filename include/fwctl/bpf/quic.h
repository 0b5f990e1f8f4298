/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which backend the connection id of a QUIC packet names (include/fwctl/abi/quic.h).
 *
 * Promises: of a packet only what is the same in all versions of QUIC is read (RFC 8999), and nothing behind
 * the end of its datagram. Services that do not ask for it pay the test of a flag.
 */
#ifndef FWCTL_BPF_QUIC_H
#define FWCTL_BPF_QUIC_H

#include "fwctl/abi/quic.h"
#include "fwctl/bpf/answer.h"
#include "fwctl/bpf/choose.h"

/* Of a packet, in octets from its beginning (RFC 8999, 5.1 and 5.2). A short header does not say how long its
 * id is; the server id stands at the front of it. */
enum {
	FW_QUIC_LONG = 0x80, /* the highest bit of the first octet */
	FW_QUIC_SHORT_ID = 1,
	FW_QUIC_LONG_ID_LENGTH = 5, /* behind the version */
	FW_QUIC_LONG_ID = 6,
};

/* Where a server id stands in the frame. */
struct fw_server_place {
	__u32 offset;
	__u32 length;
};

static __always_inline bool fw_octet_at(fw_ctx *ctx, __u32 offset, __u8 *octet)
{
	__u8 room;
	const __u8 *at = fw_ctx_at(ctx, offset, &room, sizeof(room));

	if (at)
		*octet = *at;
	return at;
}

/* Where the datagram ends; of a first fragment the fragment does. */
static __always_inline __u32 fw_datagram_end(fw_ctx *ctx, const struct fw_packet *packet)
{
	__u32 end = fw_ip_end(ctx, packet), its;
	__be16 room;
	const __be16 *length = fw_ctx_at(ctx, packet->l4_offset + 4, &room, sizeof(room));

	its = packet->l4_offset + (length ? bpf_ntohs(*length) : 0);
	return its < end ? its : end;
}

/* False: the packet has no server id that this service could know. */
static __always_inline bool fw_find_server_id(fw_ctx *ctx, const struct fw_packet *packet,
					      const struct fw_quic *quic, struct fw_server_place *place)
{
	__u32 start = packet->l4_offset + FW_UDP_HEADER, end = fw_datagram_end(ctx, packet);
	__u32 id = start + FW_QUIC_SHORT_ID;
	__u8 first, length, config;

	if (!fw_octet_at(ctx, start, &first))
		return false;
	if (first & FW_QUIC_LONG) {
		id = start + FW_QUIC_LONG_ID;
		if (!fw_octet_at(ctx, start + FW_QUIC_LONG_ID_LENGTH, &length) || id + length > end)
			return false;
		end = id + length;
	}
	if (!fw_octet_at(ctx, id, &config))
		return false;
	place->offset = id + 1;
	place->length = quic->id_length[config >> FW_QUIC_CONFIG_SHIFT];
	return place->length && place->offset + place->length <= end;
}

/* The number of the backend; 0: nobody has that id. */
static __always_inline __u32 fw_find_server(const struct fw_generation *generation,
					    const struct fw_quic *quic, const __u64 id[2])
{
	__u32 at = fw_server_hash(id[0], id[1]);

#pragma clang loop unroll(disable)
	for (__u32 probe = 0; probe < FW_SERVER_PROBES; probe++) {
		const struct fw_server *server =
			(const void *)fw_words_at(generation->tiers[FW_FRONT].bank,
						  quic->servers + ((at + probe) & quic->server_mask) * 8, 8);
		const __u64 *its;

		if (!server || !server->backend)
			return 0;
		its = (const void *)server->id;
		if (its[0] == id[0] && its[1] == id[1])
			return server->backend;
	}
	return 0;
}

/* The number of the backend that the connection id of a packet for a service names; 0: none. A global
 * function, as fw_parse(). */
__noinline __u32 fw_server_of(fw_ctx *ctx, const struct fw_packet *packet, __u32 half)
{
	const struct fw_generation *generation = bpf_map_lookup_elem(&policy, &half);
	union {
		__u64 words[2];
		__u8 octets[16];
	} id = {};
	struct fw_server_place place;
	const struct fw_service *service;
	const struct fw_quic *quic;

	if (!packet || !generation)
		return 0;
	service = fw_service_at(generation, packet->service);
	quic = service ? (const void *)fw_words_at(generation->tiers[FW_FRONT].bank, service->quic, 4) : NULL;
	if (!quic || !fw_find_server_id(ctx, packet, quic, &place))
		return 0;
	id.octets[FW_MAX_SERVER_ID] = place.length;
	if (!fw_size_fits(&place.length, FW_MAX_SERVER_ID) ||
	    !fw_ctx_read(ctx, place.offset, id.octets, place.length))
		return 0;
	return fw_find_server(generation, quic, id.words);
}

/* Sets room->named. */
static __always_inline void fw_name_backend(fw_ctx *ctx, const struct fw_packet *packet,
					    struct fw_balance_room *room, __u32 half)
{
	room->named =
		room->by_connection && room->asked == FW_ASKED_FLOW ? fw_server_of(ctx, packet, half) : 0;
}

#endif
