/* SPDX-License-Identifier: GPL-2.0-only */
/* One spelling of the static assertion for the three languages that read these headers: BPF C, C and C++. */
#ifndef FWCTL_ABI_ASSERT_H
#define FWCTL_ABI_ASSERT_H

#ifdef __cplusplus
#define FW_ASSERT(holds, why) static_assert(holds, why)
#else
#define FW_ASSERT(holds, why) _Static_assert(holds, why)
#endif

#define FW_ASSERT_SIZE(type, bytes) FW_ASSERT(sizeof(type) == (bytes), #type " is part of the ABI")

#endif
