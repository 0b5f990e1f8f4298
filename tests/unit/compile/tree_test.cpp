#include "compile/tree.h"

#include <gtest/gtest.h>

#include <limits>
#include <random>
#include <set>

#include "bank_reader.h"

namespace fwctl::compile {
namespace {

template <typename Key>
class TreeTest : public ::testing::Test {};
using Keys = ::testing::Types<std::uint16_t, std::uint64_t>;
TYPED_TEST_SUITE(TreeTest, Keys);

// Every size up to three levels, and keys at both ends of what there is.
TYPED_TEST(TreeTest, AWalkFindsWhatALookAtEveryKeyFinds) {
    std::mt19937_64 random(1);
    for (std::size_t size = 1; size < 200; ++size) {
        std::set<TypeParam> chosen;
        while (chosen.size() < size)
            chosen.insert(static_cast<TypeParam>(
                random() % 5 == 0 ? std::numeric_limits<TypeParam>::max() - random() % 200 : random()));
        if (size % 3 == 0) chosen.insert(0);
        const std::vector<TypeParam> keys(chosen.begin(), chosen.end());
        std::vector<std::uint32_t> values;
        for (std::size_t i = 0; i < keys.size(); ++i) values.push_back(static_cast<std::uint32_t>(i + 1));
        Bank bank;
        const Address address = put_tree(bank, 0, std::span<const TypeParam>(keys), values);
        for (const TypeParam key : keys) {
            for (int step = -1; step <= 1; ++step) {
                const auto sought = static_cast<TypeParam>(key + static_cast<TypeParam>(step));
                const auto place = std::upper_bound(keys.begin(), keys.end(), sought) - keys.begin();
                ASSERT_EQ(BankReader(bank).template walk<TypeParam>(address, sought),
                          static_cast<std::uint32_t>(place))
                    << size << " keys, sought " << sought;
            }
        }
    }
}

}  // namespace
}  // namespace fwctl::compile
