#include "observe/exposition.h"

#include <fmt/format.h>

#include <iterator>

namespace fwctl::observe {
namespace {

const char* kind_name(MetricKind kind) {
    switch (kind) {
        case MetricKind::kCounter:
            return "counter";
        case MetricKind::kGauge:
            return "gauge";
        case MetricKind::kHistogram:
            break;
    }
    return "histogram";
}

// A line feed and a backslash would end or change what they stand in; so would a quotation mark in a label.
std::string escaped(std::string_view text, bool in_quotes) {
    std::string out;
    for (const char letter : text) {
        if (letter == '\n')
            out += "\\n";
        else if (letter == '\\' || (letter == '"' && in_quotes))
            (out += '\\') += letter;
        else
            out += letter;
    }
    return out;
}

}  // namespace

void Exposition::metric(std::string_view name, MetricKind kind, std::string_view help) {
    name_ = name;
    head_ = fmt::format("# HELP {0} {1}\n# TYPE {0} {2}\n", name, escaped(help, false), kind_name(kind));
}

void Exposition::sample(std::uint64_t value, Labels labels) {
    part("", value, labels);
}

void Exposition::seconds(double value, Labels labels) {
    part_seconds("", value, labels);
}

void Exposition::part(std::string_view suffix, std::uint64_t value, Labels labels) {
    line(suffix, fmt::format("{}", value), labels);
}

void Exposition::part_seconds(std::string_view suffix, double value, Labels labels) {
    line(suffix, fmt::format("{}", value), labels);
}

void Exposition::line(std::string_view suffix, std::string_view value, Labels labels) {
    text_ += std::exchange(head_, {});
    text_ += name_;
    text_ += suffix;
    const char* between = "{";
    for (const auto& [key, said] : labels) {
        fmt::format_to(std::back_inserter(text_), "{}{}=\"{}\"", between, key, escaped(said, true));
        between = ",";
    }
    if (labels.size() != 0) text_ += '}';
    text_ += ' ';
    text_ += value;
    text_ += '\n';
}

}  // namespace fwctl::observe
