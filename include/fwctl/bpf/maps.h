/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The maps that the programs share, and the constants of one attachment.
 *
 * Who writes and who reads is in ARCHITECTURE.md. All but `counters`, which each attachment has for itself,
 * are pinned once per network namespace.
 */
#ifndef FWCTL_BPF_MAPS_H
#define FWCTL_BPF_MAPS_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <stdbool.h>

#include "fwctl/abi/event.h"
#include "fwctl/abi/policy.h"
#include "fwctl/abi/state.h"
#include "fwctl/abi/synproxy.h"
#include "fwctl/abi/talkers.h"
#include "fwctl/abi/trace.h"
#include "fwctl/bpf/set_maps.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct fw_control);
} control SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2); /* the halves */
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct fw_generation);
} policy SEC(".maps");

/* Inner maps say sizes rather than types: clang 14 leaves types that stand behind a pointer out of the BTF.
 */

/* The banks: FW_BANK_PAGES for each. Pages that are not needed are not there. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, FW_BANKS *FW_BANK_PAGES);
	__type(key, __u32);
	__array(
		values, struct {
			__uint(type, BPF_MAP_TYPE_ARRAY);
			__uint(max_entries, 1);
			__uint(key_size, sizeof(__u32));
			__uint(value_size, sizeof(struct fw_page));
		});
} pages SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, FW_MAX_MEMBERS);
	__uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_RDONLY_PROG);
	__type(key, struct fw_member_key);
	__type(value, struct fw_member);
} members SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, FW_MAX_ROUTES);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct fw_route_key);
	__type(value, struct fw_next_hop);
} routes SEC(".maps");

/* By ifindex: the interfaces that take frames from XDP. */
struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP_HASH);
	__uint(max_entries, FW_MAX_DEVICES);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(__u32));
} devices SEC(".maps");

/* Room for a look-up in a set, which the stack has not. Each program has its own, so that one that is asked
 * under BPF_PROG_TEST_RUN does not meet with a packet. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct fw_member_query);
} member_queries SEC(".maps");

/* The answer to a rejected packet while it is made. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct fw_answering);
} answers SEC(".maps");

/* Mapped by fwctl to list what is there; so that a page's buckets begin on a cache line, too. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, FW_FLOW_PAGES);
	__type(key, __u32);
	__array(
		values, struct {
			__uint(type, BPF_MAP_TYPE_ARRAY);
			__uint(max_entries, 1);
			__uint(map_flags, BPF_F_MMAPABLE);
			__uint(key_size, sizeof(__u32));
			__uint(value_size, sizeof(struct fw_flow_page));
		});
} flow_pages SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct fw_flow_counts);
} flow_counts SEC(".maps");

/* As member_queries: each program's own. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct fw_flow_room);
} flow_room SEC(".maps");

/* What action synproxy works on: headers of its cookies, and the header that it translates. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct fw_proxy_room);
} proxy_room SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, FW_COUNTER_PAGES);
	__type(key, __u32);
	__array(
		values, struct {
			__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
			__uint(max_entries, FW_COUNTER_PAGE_SIZE);
			__uint(key_size, sizeof(__u32));
			__uint(value_size, sizeof(struct fw_rule_count));
		});
} rule_counters SEC(".maps");

/* Never read by a program. A page is there once the counters of its rules were reset. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, FW_COUNTER_PAGES);
	__type(key, __u32);
	__array(
		values, struct {
			__uint(type, BPF_MAP_TYPE_ARRAY);
			__uint(max_entries, 1);
			__uint(map_flags, BPF_F_MMAPABLE);
			__uint(key_size, sizeof(__u32));
			__uint(value_size, sizeof(struct fw_rule_bases));
		});
} rule_bases SEC(".maps");

/* Token buckets: pages for the rules' own, then those for the keyed ones. Pages that no rate needs are not
 * there. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, FW_BUCKET_PAGES);
	__type(key, __u32);
	__array(
		values, struct {
			__uint(type, BPF_MAP_TYPE_ARRAY);
			__uint(max_entries, 1);
			__uint(key_size, sizeof(__u32));
			__uint(value_size, sizeof(struct fw_bucket_page));
		});
} buckets SEC(".maps");

/* Of placed flows. Pages are made when the first service needs them. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, FW_PLACED_PAGES);
	__type(key, __u32);
	__array(
		values, struct {
			__uint(type, BPF_MAP_TYPE_ARRAY);
			__uint(max_entries, 1);
			__uint(map_flags, BPF_F_MMAPABLE);
			__uint(key_size, sizeof(__u32));
			__uint(value_size, sizeof(struct fw_placed_page));
		});
} placed_pages SEC(".maps");

/* Translated flows. Made when the first service translates; the sizes are in abi/limits.h. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, FW_NAT_TABLES);
	__type(key, __u32);
	__array(
		values, struct {
			__uint(type, BPF_MAP_TYPE_LRU_HASH);
			__uint(max_entries, 1);
			__uint(key_size, sizeof(struct fw_nat_key));
			__uint(value_size, sizeof(struct fw_nat_flow));
		});
} nat_flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, FW_MAX_SERVICES);
	__type(key, __u32);
	__type(value, struct fw_service_state);
} service_states SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct fw_conditions);
} conditions SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct fw_checks);
} checks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, FW_MAX_BACKENDS);
	__type(key, __u32);
	__type(value, struct fw_backend_count);
} backend_counts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, FW_MAX_FRAGMENT_WAYS);
	__type(key, struct fw_fragment_key);
	__type(value, struct fw_fragment_way);
} fragment_ways SEC(".maps");

/* This one and the next two as member_queries: each program's own. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2 * FW_MAX_BACKENDS);
	__type(key, __u32);
	__type(value, struct fw_known_way);
} known_ways SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct fw_known_services);
} known_services SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct fw_balance_room);
} balance_room SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct fw_listeners);
} listeners SEC(".maps");

/* By the slots of listeners, who make them as large as they need. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, FW_MAX_LISTENERS);
	__type(key, __u32);
	__array(
		values, struct {
			__uint(type, BPF_MAP_TYPE_RINGBUF);
			__uint(max_entries, 4096);
		});
} event_rings SEC(".maps");

/* By the same slots, of those who want bytes: a room for each processor. Not a per-CPU array, whose elements
 * are 32 KB at most. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, FW_MAX_LISTENERS);
	__type(key, __u32);
	__array(
		values, struct {
			__uint(type, BPF_MAP_TYPE_ARRAY);
			__uint(max_entries, 1);
			__uint(map_flags, BPF_F_INNER_MAP); /* of any number of processors */
			__uint(key_size, sizeof(__u32));
			__uint(value_size, sizeof(struct fw_capture_room));
		});
} capture_rooms SEC(".maps");

/* By the same slots, of listeners that want to know who sends most. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, FW_MAX_LISTENERS);
	__type(key, __u32);
	__array(
		values, struct {
			__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
			__uint(max_entries, FW_TALKER_TABLES * FW_TALKER_BUCKETS);
			__uint(key_size, sizeof(__u32));
			__uint(value_size, sizeof(struct fw_talker_bucket));
		});
} talker_tables SEC(".maps");

/* By the same slots, since the listener has come. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, FW_MAX_LISTENERS);
	__type(key, __u32);
	__type(value, __u64);
} events_lost SEC(".maps");

/* As member_queries: each program's own. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct fw_telling);
} telling SEC(".maps");

/* Never read by a program: fwctl's own memory of what it attached. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, FW_MAX_ATTACHMENTS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct fw_attachment);
} attachments SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, FW_COUNTERS_BASES + FW_DIRECTIONS);
	__type(key, __u32);
	__type(value, struct fw_counters);
} counters SEC(".maps");

const volatile __u32 fw_slot;	    /* of this attachment in fw_generation.attachments */
const volatile __u8 fw_link;	    /* enum fw_link */
const volatile __u8 fw_may_rewrite; /* XDP: may answer and send on by itself (docs/forward.md) */
const volatile __u8 fw_hands_on;   /* XDP: TC ingress of the same attachment does the rest, and reads marks */
const volatile __u8 fw_behind_xdp; /* TC ingress: the program at XDP hands on */
const volatile __u8 fw_half;	   /* 0: the generation that holds; else that of half fw_half - 1 */
const volatile __u8 fw_silent;	   /* count nothing: the packet is a question */
const volatile __u8 fw_read_only;  /* put nobody into sets: the question is about live state */
/* The maps are this question's own: buckets are charged, also when silent, by the clock of fw_last. */
const volatile __u8 fw_rehearses;
/* Packets are more than passed and dropped; else the verifier takes that out. */
const volatile __u8 fw_rewrites;
/* SYN cookies: the kernel has the helpers, and TC is there both ways. Else the verifier takes the calls out.
 */
const volatile __u8 fw_makes_cookies;
const volatile __u8 fw_tracing; /* write fw_last; the verifier takes the code out where it is false */

struct fw_trace fw_last;

#endif
