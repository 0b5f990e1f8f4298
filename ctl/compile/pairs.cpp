#include "compile/pairs.h"

#include <bit>
#include <cstddef>

#include "fwctl/abi/image.h"

namespace fwctl::compile {
namespace {

// False: some pair finds no room within its probes.
bool place(const fw_pair& pair, std::vector<fw_bucket>& buckets) {
    std::size_t at = fw_pair_hash(pair.source, pair.destination);
    for (std::size_t probe = 0; probe < FW_PAIR_PROBES; ++probe, ++at) {
        fw_bucket& bucket = buckets[at % buckets.size()];
        for (fw_pair& room : bucket.pairs) {
            if (room.source != 0) continue;
            room = pair;
            return true;
        }
        bucket.overflows = 1;
    }
    return false;
}

bool fill(const std::vector<fw_pair>& pairs, std::vector<fw_bucket>& buckets) {
    for (const fw_pair& pair : pairs)
        if (!place(pair, buckets)) return false;
    return true;
}

}  // namespace

void put_pairs(Bank& bank, const std::vector<fw_pair>& pairs, fw_tier& tier) {
    if (pairs.empty()) return;
    // From three in four slots used on, every second look-up would go on to another bucket.
    std::size_t size = std::bit_ceil(pairs.size() * 4 / (FW_BUCKET_PAIRS * 3) + 1);
    std::vector<fw_bucket> buckets(size);
    while (!fill(pairs, buckets)) {
        size *= 2;
        buckets.assign(size, fw_bucket{});
    }
    constexpr std::size_t kWords = sizeof(fw_bucket) / sizeof(std::uint32_t);
    tier.pairs = bank.reserve(size * kWords, kWords);
    tier.pair_mask = static_cast<std::uint32_t>(size - 1);
    for (std::size_t i = 0; i < size; ++i)
        bank.set(tier.pairs + static_cast<Address>(i * kWords), buckets[i]);
}

}  // namespace fwctl::compile
