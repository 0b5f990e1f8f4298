// The text that Prometheus reads (exposition format 0.0.4).
//
// Promises: pure. Values of labels and helps are escaped, so that no name can end its line; whole numbers are
// written with all their digits. A metric without a sample is left out.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace fwctl::observe {

inline constexpr const char* kExpositionType = "text/plain; version=0.0.4; charset=utf-8";

enum class MetricKind : std::uint8_t { kCounter, kGauge, kHistogram };

using Label = std::pair<std::string_view, std::string_view>;
using Labels = std::initializer_list<Label>;

class Exposition {
public:
    // The samples that follow are of this one, each metric named once.
    void metric(std::string_view name, MetricKind kind, std::string_view help);

    void sample(std::uint64_t value, Labels labels = {});
    void seconds(double value, Labels labels = {});
    // Of a histogram: `suffix` is "_bucket", "_sum" or "_count".
    void part(std::string_view suffix, std::uint64_t value, Labels labels = {});
    void part_seconds(std::string_view suffix, double value, Labels labels = {});

    [[nodiscard]] std::string take() { return std::move(text_); }

private:
    void line(std::string_view suffix, std::string_view value, Labels labels);

    std::string name_;
    std::string head_;  // of the metric, until it has a sample
    std::string text_;
};

}  // namespace fwctl::observe
