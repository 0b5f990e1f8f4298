/* SPDX-License-Identifier: GPL-2.0-only */
/* What is known of the way to a backend (struct fw_known_way). */
#ifndef FWCTL_BPF_KNOWN_WAY_H
#define FWCTL_BPF_KNOWN_WAY_H

#include "fwctl/bpf/maps.h"

/* By the family of the packets that go there. */
static __always_inline struct fw_known_way *fw_known_way_of(__u32 backend, __u8 family)
{
	__u32 index = backend + (family == FW_FAMILY_IPV6 ? FW_MAX_BACKENDS : 0);

	return bpf_map_lookup_elem(&known_ways, &index);
}

#endif
