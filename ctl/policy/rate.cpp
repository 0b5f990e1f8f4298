#include "policy/rate.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <vector>

#include <fmt/format.h>

#include "base/text.h"
#include "policy/address_bits.h"
#include "policy/value.h"

namespace fwctl::policy {

namespace {

constexpr std::array kPeriods = {
    Choice<RatePeriod>{"second", RatePeriod::kSecond},
    Choice<RatePeriod>{"minute", RatePeriod::kMinute},
    Choice<RatePeriod>{"hour", RatePeriod::kHour},
};

constexpr std::array kPers = {
    Choice<RatePer>{"source", RatePer::kSource},
    Choice<RatePer>{"destination", RatePer::kDestination},
    Choice<RatePer>{"service", RatePer::kService},
    Choice<RatePer>{"flow", RatePer::kFlow},
};

std::vector<std::string_view> words_of(std::string_view text) {
    std::vector<std::string_view> words;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find_first_of(" \t"), text.size());
        if (end > 0) {
            words.push_back(text.substr(0, end));
        }
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return words;
}

std::optional<std::uint64_t> number_of(std::string_view digits) {
    std::uint64_t value = 0;
    const char* end = digits.data() + digits.size();
    const auto [stop, error] = std::from_chars(digits.data(), end, value);
    const bool is_one = error == std::errc() && stop == end && value > 0 && value <= kMostTokens;
    return is_one ? std::optional(value) : std::nullopt;
}

class RateReader {
public:
    explicit RateReader(std::string_view text) : words_(words_of(text)) {}

    Result<Rate> read() {
        if (words_.empty()) {
            return refuse("a rate is empty; write over 10/second or under 10/second");
        }
        if (words_.front() != "over" && words_.front() != "under") {
            return refuse(
                fmt::format("a rate begins with over or under, not \"{}\": over 10/second", words_.front()));
        }
        rate_.over = words_.front() == "over";
        if (words_.size() < 2) {
            return refuse(fmt::format("{0} what? write {0} 10/second", words_.front()));
        }
        if (auto read = read_count(words_[1]); !read) {
            return tl::unexpected<Error>(read.error());
        }
        for (next_ = 2; next_ < words_.size();) {
            if (auto read = read_part(words_[next_++]); !read) {
                return tl::unexpected<Error>(read.error());
            }
        }
        return finish();
    }

private:
    Status read_count(std::string_view word) {
        const std::size_t slash = std::min(word.find('/'), word.size());
        const auto count = number_of(word.substr(0, slash));
        if (!count || slash == word.size()) {
            return refuse(
                fmt::format("\"{}\" is not a rate: write a number from 1 to {} and its time, as in "
                            "10/second, 5/minute or 100/hour",
                            word, kMostTokens));
        }
        rate_.count = *count;
        return choose<RatePeriod>(rate_.period, kPeriods, word.substr(slash + 1), "the time of a rate");
    }

    Status read_part(std::string_view word) {
        constexpr std::array<std::string_view, 4> kParts = {"burst", "packets", "bytes", "per"};
        if (std::find(kParts.begin(), kParts.end(), word) == kParts.end()) {
            const auto meant = nearest(word, kParts);
            return refuse(
                fmt::format("\"{}\" is no part of a rate{}", word,
                            meant ? fmt::format("; did you mean \"{}\"?", *meant)
                                  : "; behind 10/second stand burst 20, packets or bytes, and per source"));
        }
        const bool is_unit = word == "packets" || word == "bytes";
        const std::string_view part = is_unit ? "packets or bytes" : word;
        if (std::find(seen_.begin(), seen_.end(), part) != seen_.end()) {
            return refuse(fmt::format("{} is there twice", part));
        }
        seen_.push_back(part);
        if (is_unit) {
            rate_.bytes = word == "bytes";
            return {};
        }
        if (next_ == words_.size()) {
            return refuse(word == "burst" ? "burst of how many? write burst 20"
                                          : "per what? write per source, destination, service or flow");
        }
        return word == "burst" ? read_burst(words_[next_++]) : read_per(words_[next_++]);
    }

    Status read_burst(std::string_view word) {
        const auto burst = number_of(word);
        if (!burst) {
            return refuse(fmt::format("\"{}\" is not a burst: a number from 1 to {}", word, kMostTokens));
        }
        rate_.burst = *burst;
        return {};
    }

    Status read_per(std::string_view word) {
        const std::size_t slash = std::min(word.find('/'), word.size());
        if (auto chosen = choose<RatePer>(rate_.per, kPers, word.substr(0, slash), "what a rate can be per");
            !chosen) {
            return chosen;
        }
        if (slash == word.size()) {
            return {};
        }
        if (rate_.per != RatePer::kSource && rate_.per != RatePer::kDestination) {
            return refuse(fmt::format("\"{}\": only source and destination take a length", word));
        }
        return parse_address_bits(word).map([this](const AddressBits& bits) {
            rate_.ipv4_bits = bits.ipv4;
            rate_.ipv6_bits = bits.ipv6;
        });
    }

    Result<Rate> finish() {
        if (rate_.burst == 0) {
            rate_.burst = default_burst(rate_);
        }
        const auto seconds = static_cast<std::uint64_t>(period_of(rate_).count());
        if (!rate_.bytes && rate_.count / seconds > kMostPacketsPerSecond) {
            return refuse(fmt::format("a rate of packets is at most {}/second", kMostPacketsPerSecond));
        }
        const auto longest = static_cast<std::uint64_t>(std::chrono::seconds(kLongestRefill).count());
        if (rate_.burst / rate_.count * seconds > longest || rate_.burst * seconds / rate_.count > longest) {
            return refuse(
                fmt::format("a burst of {} would take longer than a week to come back; write a smaller "
                            "burst or a higher rate",
                            rate_.burst));
        }
        return rate_;
    }

    std::vector<std::string_view> words_;
    std::size_t next_ = 0;
    std::vector<std::string_view> seen_;
    Rate rate_{.burst = 0};
};

}  // namespace

std::uint64_t default_burst(const Rate& rate) {
    return rate.bytes ? std::max(rate.count, kLeastByteBurst) : rate.count;
}

std::chrono::seconds period_of(const Rate& rate) {
    switch (rate.period) {
        case RatePeriod::kSecond:
            return std::chrono::seconds(1);
        case RatePeriod::kMinute:
            return std::chrono::minutes(1);
        case RatePeriod::kHour:
            break;
    }
    return std::chrono::hours(1);
}

Result<Rate> parse_rate(std::string_view text) {
    return RateReader(text).read();
}

std::string format_rate(const Rate& rate) {
    std::string out = fmt::format("{} {}/{}", rate.over ? "over" : "under", rate.count,
                                  word_of<RatePeriod>(kPeriods, rate.period));
    if (rate.burst != default_burst(rate)) {
        out += fmt::format(" burst {}", rate.burst);
    }
    if (rate.bytes) {
        out += " bytes";
    }
    if (rate.per != RatePer::kRule) {
        out += fmt::format(" per {}{}", word_of<RatePer>(kPers, rate.per),
                           format_address_bits({rate.ipv4_bits, rate.ipv6_bits}));
    }
    return out;
}

bool begins_rate(std::string_view word) {
    const std::size_t slash = word.find('/');
    return slash != std::string_view::npos && is_digits(word.substr(0, slash)) &&
           !is_digits(word.substr(slash + 1));
}

}  // namespace fwctl::policy
