// Maglev (Eisenbud et al., "Maglev: a fast and reliable software network load balancer", NSDI 2016, section
// 3.4): a hash of its key gives each member an offset and a skip, and with them an order in which it walks
// over all slots. There, members take turns, and who finds a slot taken goes on until one is free: so each
// lost slot shifts all that the loser takes later. Here
//   - a lost turn is lost: a slot is for whoever comes to it first. Nobody's coming depends on others, which
//     makes this rendezvous hashing (Thaler and Ravishankar, "Using name-based mappings to increase hit
//     rates", IEEE/ACM Transactions on Networking 6(1), 1998): nothing moves that need not.
//   - a weight is a pace. A member of weight w comes to its k-th slot at t(k) / w, where t(k) is when the
//     k-th of as many independent exponential clocks as there are slots is expected to ring (Renyi, "On the
//     theory of order statistics", 1953). This is the logarithmic method of Schindelhauer and Schomaker,
//     "Weighted distributed hash tables", SPAA 2005, in whole numbers. With turns in proportion to the
//     weights instead, one of two members with weight 1 beside 2 would win a quarter, not a third.
//   - shares so won scatter, with 100 slots by 7. Hence each member has a quota, by Webster's method: like
//     all that divide by one divisor and round, it never takes a slot from a member because another lost
//     weight, which largest remainders can (Balinski and Young, "Fair representation", 1982). With 100 slots
//     for each member its divisor is within 0.5 % of weights / slots, and half a slot is 0.5 % of 100.
//   - who has won more than its quota gives back those slots that it came to last, some 3 % of all. For them,
//     those members walk again that have room, and so on. The cap is as in Mirrokni, Thorup and
//     Zadimoghaddam, "Consistent hashing with bounded loads", SODA 2018, but exact; and who keeps a slot in
//     one round keeps it in all, so that one that moves does not push others in a chain.
//   - the walk is not offset + k * skip but offset + 1 / (k * skip), modulo the size (an explicit inversive
//     generator: Eichenauer-Herrmann, Mathematics of Computation 60, 1993). Of two linear walks whose skips
//     have a simple ratio one follows the other; with 2 to 20 members on 16,381 slots this broke the bounds
//     for one set in 500, by up to 7 % of the slots. Inversive walks are near to independent if their offsets
//     differ: none of 84,000 sets did.

#include "compile/maglev.h"

#include <xxhash.h>

#include <algorithm>
#include <limits>
#include <queue>
#include <string_view>
#include <tuple>
#include <utility>

namespace fwctl::compile {
namespace {

// With four times the slots at each step a growing service has another size three times on its way to 10,000
// backends. The first is not smaller because small rings move more: with 4,093 slots and 40 members up to
// 1.9 %.
constexpr std::uint32_t kSizes[] = {16'381, 65'537, 262'139, kLargestRing};
constexpr std::uint32_t kSlotsEach = 100;

// Changing it changes all rings of all nodes. The values of XXH3 are fixed since xxHash 0.8.0.
constexpr XXH64_hash_t kSeed = 0x6677'6374'6c31;

// Times are counted in 2^-28 of a clock's mean: that of the last slot of kLargestRing has 32 bits, and
// hundreds lie between two slots. A pace is a part of 2^31, so that the product fits 64 bits.
constexpr unsigned kTimeBits = 28;
constexpr std::uint64_t kPace = std::uint64_t{1} << 31;

// In the first rounds, all walk until a slot is left out by e^-6, 1 of 400, on average; these wait for the
// later rounds, where few slots and members are left and each is asked for each.
constexpr int kWalks = 2;
constexpr std::uint64_t kHorizon = (std::uint64_t{6} << kTimeBits) * kPace;

constexpr std::uint64_t kNever = std::numeric_limits<std::uint64_t>::max();
constexpr std::uint32_t kNobody = std::numeric_limits<std::uint32_t>::max();

// A member on its way.
struct Walker {
    std::uint16_t number = 0;
    std::uint64_t weight = 0;
    std::uint64_t pace = 0;    // kPace / weight
    std::uint32_t offset = 0;  // below the size
    std::uint32_t skip = 0;    // 1 to the size - 1
    std::uint64_t room = 0;    // slots that it is to have still
    std::vector<std::uint32_t> won = {};
};

// Those with weight, in an order that follows from their keys: it decides between two who come at once.
std::vector<Walker> walkers_of(std::span<const RingMember> members, std::uint32_t size) {
    using Place = std::tuple<std::uint64_t, std::uint64_t, std::string_view, const RingMember*>;
    std::vector<Place> places;
    for (const RingMember& member : members) {
        if (member.weight == 0) continue;
        const XXH128_hash_t hash = XXH3_128bits_withSeed(member.key.data(), member.key.size(), kSeed);
        places.emplace_back(hash.high64, hash.low64, member.key, &member);
    }
    std::sort(places.begin(), places.end());
    std::vector<Walker> walkers;
    for (const auto& [high, low, key, member] : places)
        walkers.push_back({.number = member->number,
                           .weight = member->weight,
                           .pace = kPace / member->weight,
                           .offset = static_cast<std::uint32_t>(low % size),
                           .skip = static_cast<std::uint32_t>(size == 1 ? 1 : 1 + high % (size - 1))});
    return walkers;
}

// Webster's method: the next slot is for the largest weight / (slots + 1/2).
void share_out(std::vector<Walker>& walkers, std::uint32_t size) {
    std::uint64_t weights = 0;
    for (const Walker& walker : walkers) weights += walker.weight;
    std::uint64_t left = size;
    // If there were half a slot less for each, all could round their shares and not have too many together:
    // that far nothing has to be asked in turn. Twice the slots, for the half.
    const std::uint64_t sure = 2 * left > walkers.size() ? 2 * left - walkers.size() : 0;
    for (Walker& walker : walkers) {
        walker.room = (walker.weight * sure + weights) / (2 * weights);
        left -= walker.room;
    }
    const auto behind = [&](std::size_t one, std::size_t other) {
        const std::uint64_t of_one = walkers[one].weight * (2 * walkers[other].room + 1);
        const std::uint64_t of_other = walkers[other].weight * (2 * walkers[one].room + 1);
        return of_one != of_other ? of_one < of_other : one > other;
    };
    std::priority_queue<std::size_t, std::vector<std::size_t>, decltype(behind)> queue(behind);
    for (std::size_t i = 0; i < walkers.size(); ++i) queue.push(i);
    for (; left > 0; --left) {
        const std::size_t next = queue.top();
        queue.pop();
        ++walkers[next].room;
        queue.push(next);
    }
}

// 1/x modulo a prime for each x, and 0 for 0: size = (size / x) * x + size % x, divided by x and size % x.
std::vector<std::uint32_t> inverses(std::uint32_t size) {
    std::vector<std::uint32_t> inverse(size, 0);
    if (size > 1) inverse[1] = 1;
    for (std::uint64_t x = 2; x < size; ++x)
        inverse[x] = static_cast<std::uint32_t>((size - size / x) * inverse[size % x] % size);
    return inverse;
}

// When weight 1 comes to its k-th slot. Each further one takes 1 / (slots not seen) longer; the first half
// that.
std::vector<std::uint32_t> times(std::uint32_t size) {
    constexpr unsigned kMore = 8;  // bits, for the sum's sake
    std::vector<std::uint32_t> times;
    std::uint64_t sum = 0;
    for (std::uint32_t unseen = size; unseen > 0; --unseen) {
        const std::uint64_t step = (std::uint64_t{1} << (kTimeBits + kMore)) / unseen;
        times.push_back(static_cast<std::uint32_t>((sum + step / 2) >> kMore));
        sum += step;
    }
    return times;
}

class Fill {
public:
    Fill(std::vector<Walker> walkers, std::uint32_t size)
        : size_(size),
          walkers_(std::move(walkers)),
          inverse_(inverses(size)),
          times_(times(size)),
          first_(size, kNever),
          winner_(size, kNobody),
          ring_(size, 0) {
        for (std::uint32_t slot = 0; slot < size; ++slot) free_.push_back(slot);
    }

    std::vector<std::uint16_t> run() {
        for (int round = 0; !free_.empty(); ++round) {
            std::erase_if(walkers_, [](const Walker& walker) { return walker.room == 0; });
            for (const std::uint32_t slot : free_) {
                first_[slot] = kNever;
                winner_[slot] = kNobody;
            }
            if (round < kWalks)
                walk();
            else
                ask();
            settle();
        }
        return std::move(ring_);
    }

private:
    void come(std::uint32_t walker, std::uint32_t slot, std::uint64_t time) {
        if (time >= first_[slot]) return;
        first_[slot] = time;
        winner_[slot] = walker;
    }

    void walk() {
        std::uint64_t weights = 0;
        for (const Walker& walker : walkers_) weights += walker.weight;
        const std::uint64_t horizon = kHorizon / weights;
        for (std::uint32_t i = 0; i < walkers_.size(); ++i) {
            const Walker& walker = walkers_[i];
            std::uint32_t product = 0;
            for (const std::uint32_t turn : times_) {
                const std::uint64_t time = turn * walker.pace;
                if (time >= horizon) break;
                come(i, sum(inverse_[product], walker.offset), time);
                product = sum(product, walker.skip);
            }
        }
    }

    // The same, the other way: at which turn a walker comes to a slot. Each free slot has a winner
    // afterwards.
    void ask() {
        for (std::uint32_t i = 0; i < walkers_.size(); ++i) {
            const Walker& walker = walkers_[i];
            const std::uint64_t unskip = inverse_[walker.skip];
            for (const std::uint32_t slot : free_) {
                const std::uint64_t product = inverse_[sum(slot, size_ - walker.offset)];
                come(i, slot, times_[product * unskip % size_] * walker.pace);
            }
        }
    }

    // Each keeps of what it has won what came first.
    void settle() {
        std::vector<std::uint32_t> left;
        for (const std::uint32_t slot : free_) {
            if (winner_[slot] == kNobody)
                left.push_back(slot);
            else
                walkers_[winner_[slot]].won.push_back(slot);
        }
        for (Walker& walker : walkers_) {
            std::vector<std::uint32_t>& won = walker.won;
            if (won.size() > walker.room) {
                const auto keep = won.begin() + static_cast<std::ptrdiff_t>(walker.room);
                std::nth_element(won.begin(), keep, won.end(), [&](std::uint32_t one, std::uint32_t other) {
                    return first_[one] < first_[other];
                });
                left.insert(left.end(), keep, won.end());
                won.erase(keep, won.end());
            }
            for (const std::uint32_t slot : won) {
                ring_[slot] = walker.number;
                first_[slot] = 0;  // nobody comes earlier
            }
            walker.room -= won.size();
            won.clear();
        }
        free_ = std::move(left);
    }

    // Of two numbers up to the size, one of them below it.
    [[nodiscard]] std::uint32_t sum(std::uint32_t one, std::uint32_t other) const {
        const std::uint32_t sum = one + other;
        return sum >= size_ ? sum - size_ : sum;
    }

    std::uint32_t size_;
    std::vector<Walker> walkers_;
    std::vector<std::uint32_t> inverse_;
    std::vector<std::uint32_t> times_;
    std::vector<std::uint32_t> free_;
    std::vector<std::uint64_t> first_;   // when a free slot's first walker came
    std::vector<std::uint32_t> winner_;  // who that is
    std::vector<std::uint16_t> ring_;
};

}  // namespace

std::uint32_t ring_size_for(std::size_t members) {
    for (const std::uint32_t size : kSizes)
        if (size / kSlotsEach >= members) return size;
    return kLargestRing;
}

std::vector<std::uint16_t> build_ring(std::span<const RingMember> members, std::uint32_t size) {
    std::vector<std::uint16_t> nothing(size, 0);
    if (size == 0) return nothing;
    std::vector<Walker> walkers = walkers_of(members, size);
    if (walkers.empty()) return nothing;
    share_out(walkers, size);
    return Fill(std::move(walkers), size).run();
}

}  // namespace fwctl::compile
