/* SPDX-License-Identifier: GPL-2.0-only */
/* The maps of dynamic sets, which the programs on interfaces share with the command's own program. */
#ifndef FWCTL_BPF_SET_MAPS_H
#define FWCTL_BPF_SET_MAPS_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "fwctl/abi/members.h"
#include "fwctl/abi/policy.h"

/* By the set's number. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct fw_sets);
} sets SEC(".maps");

/* Tables of hosts. Pages that are not needed are not there. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, FW_SET_PAGES);
	__type(key, __u32);
	__array(
		values, struct {
			__uint(type, BPF_MAP_TYPE_ARRAY);
			__uint(max_entries, 1);
			__uint(key_size, sizeof(__u32));
			__uint(value_size, sizeof(struct fw_host_page));
		});
} set_pages SEC(".maps");

#endif
