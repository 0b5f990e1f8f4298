#include "policy/packet_text.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/text.h"
#include "policy/field.h"
#include "policy/icmp.h"
#include "policy/packet_defaults.h"
#include "policy/packet_sentence.h"
#include "policy/prefix.h"
#include "policy/rule.h"
#include "policy/service.h"
#include "policy/value.h"

namespace fwctl::policy {

namespace {

constexpr std::array kFieldClauses = {Field::kVlan,     Field::kTtl, Field::kLength, Field::kDscp,
                                      Field::kFragment, Field::kMac, Field::kState};

const FieldInfo* find_clause(std::string_view word) {
    for (const Field field : kFieldClauses) {
        if (info_of(field).key == word) {
            return &info_of(field);
        }
    }
    return nullptr;
}

std::vector<std::string_view> all_words() {
    std::vector<std::string_view> words = {"on",  "in",  "out", "syn", "ack", "fin",
                                           "rst", "psh", "urg", "ece", "cwr", "none"};
    for (const Field field : kFieldClauses) {
        words.push_back(info_of(field).key);
    }
    return words;
}

}  // namespace

std::vector<Word> split_words(std::string_view text) {
    constexpr std::string_view kBlanks = " \t\r\n";
    std::vector<Word> words;
    std::size_t place = text.find_first_not_of(kBlanks);
    while (place != std::string_view::npos) {
        const std::size_t end = std::min(text.find_first_of(kBlanks, place), text.size());
        words.push_back({text.substr(place, end - place), code_points(text.substr(0, place)) + 1});
        place = text.find_first_not_of(kBlanks, end);
    }
    return words;
}

std::optional<std::uint8_t> flag_of(std::string_view word) {
    if (word == "none") {
        return std::uint8_t{0};
    }
    const auto interval = parse_field(Field::kTcpFlags, word);
    const bool is_one = interval && word.find_first_of("!+0123456789") == std::string_view::npos;
    return is_one ? std::optional(static_cast<std::uint8_t>(interval->mask & interval->first)) : std::nullopt;
}

void Sentence::read_protocol() {
    const Word& word = words_[next_++];
    const std::string name = lower_case(word.text);
    const std::size_t slash = name.find('/');
    const std::string front = name.substr(0, slash);
    if (!is_digits(name)) {
        if (const auto ethertype = parse_field(Field::kEthertype, name)) {
            packet().ethertype = static_cast<std::uint16_t>(ethertype->first);
            if (is_read_on(packet().ethertype)) {
                error(word, fmt::format("{} is looked into: name the protocol that it carries", word.text),
                      "write for example: tcp 192.0.2.1 > 192.0.2.2:443");
            }
            return;
        }
    }
    packet().family = Family::kIpv4;  // until the addresses say which
    const std::string number = front == "proto" && slash != std::string::npos ? name.substr(slash + 1) : name;
    if (const auto value = parse_number(number, 255)) {
        packet().protocol = static_cast<std::uint8_t>(*value);
        return;
    }
    const auto service = parse_service(front);
    if (!service || service->kind != Service::Kind::kProtocol) {
        error(word, fmt::format("\"{}\" is not a protocol", word.text),
              "write tcp, udp, sctp, icmp/echo-request, icmp6/128, gre, a number, or arp");
        return;
    }
    packet().protocol = service->protocol;
    if (slash == std::string::npos) {
        return;
    }
    if (service->family_bound) {
        read_icmp_type(word, front, std::string_view(name).substr(slash + 1));
    } else {
        error(word, fmt::format("what stands behind \"{}/\" belongs behind the addresses", front),
              fmt::format("write for example: {} 192.0.2.1 > 192.0.2.2{}", front,
                          has_ports(*service) ? ":443" : ""));
    }
}

void Sentence::read_icmp_type(const Word& word, std::string_view name, std::string_view type) {
    const Family family = name == "icmp" ? Family::kIpv4 : Family::kIpv6;
    const auto range = parse_icmp(family, type);
    if (!range) {
        error(word, range.error().message);
    } else if (range->first / 256 != range->last / 256) {
        error(word, fmt::format("\"{}\" names several types; a packet has one", word.text));
    } else {
        icmp_selector_ = range->first;
    }
}

void Sentence::read_addresses() {
    const bool has_addresses = words_.size() > next_ + 1 && words_[next_ + 1].text == ">";
    if (!packet().family) {
        if (has_addresses) {
            error(words_[next_],
                  fmt::format("rules know no addresses of {}: leave them out", words_[0].text));
        }
        return;
    }
    if (!has_addresses) {
        const std::string hint = "write SOURCE > DESTINATION, as in: 192.0.2.1:40000 > 192.0.2.2:443";
        done() ? error_at_end("the addresses are missing", hint)
               : error(words_[next_], "the addresses are missing", hint);
        return;
    }
    if (words_.size() == next_ + 2) {
        error_at_end("the destination is missing");
        return;
    }
    source_ = read_end(words_[next_]);
    destination_ = read_end(words_[next_ + 2]);
    if (source_ && destination_ && source_->address.family != destination_->address.family) {
        error(words_[next_ + 2], "source and destination are of different IP versions");
    }
    next_ += 3;
}

// "192.0.2.1", "192.0.2.1:80", "2001:db8::1", "[2001:db8::1]:80".
std::optional<Sentence::End> Sentence::read_end(const Word& word) {
    std::string_view address = word.text;
    std::optional<std::string_view> port;
    if (address.front() == '[') {
        const std::size_t close = std::min(address.find(']'), address.size());
        const std::string_view behind = address.substr(std::min(close + 1, address.size()));
        if (close == address.size() || (!behind.empty() && behind.front() != ':')) {
            error(word, fmt::format("\"{}\" is not an address with a port", word.text),
                  "write [2001:db8::1]:443");
            return std::nullopt;
        }
        address = address.substr(1, close - 1);
        if (!behind.empty()) {
            port = behind.substr(1);
        }
    } else if (std::count(address.begin(), address.end(), ':') == 1) {
        port = address.substr(address.find(':') + 1);
        address = address.substr(0, address.find(':'));
    }
    const auto prefix = parse_address(address);
    if (!prefix) {
        error(word, prefix.error().message);
        return std::nullopt;
    }
    End end{*prefix, std::nullopt, word};
    if (port) {
        end.port = read_port(word, *port);
    }
    return end;
}

std::optional<std::uint16_t> Sentence::read_port(const Word& word, std::string_view port) {
    if (const auto number = parse_number(port, 65535)) {
        return static_cast<std::uint16_t>(*number);
    }
    const std::string_view protocol = lower_case(words_[0].text) == "udp"    ? "udp"
                                      : lower_case(words_[0].text) == "sctp" ? "sctp"
                                                                             : "tcp";
    const auto service = is_digits(port) ? fail("") : parse_service(fmt::format("{}/{}", protocol, port));
    if (service && service->selector.first == service->selector.last) {
        return service->selector.first;
    }
    error(word, fmt::format("\"{}\" is not a port (0 to 65535, or a name from /etc/services)", port));
    return std::nullopt;
}

void Sentence::read_clauses() {
    while (!done()) {
        read_clause(words_[next_++]);
    }
}

void Sentence::read_clause(const Word& word) {
    const FieldInfo* info = place_alone_ ? nullptr : find_clause(word.text);
    const auto flag = place_alone_ ? std::nullopt : flag_of(word.text);
    const bool is_place = word.text == "on" || word.text == "in" || word.text == "out";
    if (info == nullptr && !flag && !is_place) {
        const auto known = place_alone_ ? std::vector<std::string_view>{"on", "in", "out"} : all_words();
        const auto near = nearest(word.text, known);
        error(word, fmt::format("unknown word \"{}\"", word.text),
              near ? fmt::format("did you mean \"{}\"?", *near)
                   : fmt::format("what may stand here: {}", fmt::join(known, ", ")));
        return;
    }
    const bool again = std::any_of(clauses_.begin(), clauses_.end(),
                                   [&](const Word& other) { return other.text == word.text; });
    if (again) {
        error(word, fmt::format("\"{}\" is there twice", word.text));
    }
    clauses_.push_back(word);
    if (flag) {
        flags_ = static_cast<std::uint8_t>(flags_.value_or(0) | *flag);
        flags_word_ = word;
    } else if (word.text == "in" || word.text == "out") {
        read_place_word(word);
    } else if (done()) {
        error_at_end(fmt::format("\"{}\" without a value behind it", word.text),
                     info == nullptr ? "write for example: on eth0"
                                     : fmt::format("{} takes {}", word.text, info->accepts));
    } else if (info != nullptr) {
        read_field(*info, words_[next_++]);
    } else {
        read_place_word(words_[next_++]);
    }
}

void Sentence::read_place_word(const Word& word) {
    if (word.text == "in" || word.text == "out") {
        const bool has_other = std::any_of(clauses_.begin(), clauses_.end(), [&](const Word& other) {
            return other.text != word.text && (other.text == "in" || other.text == "out");
        });
        if (has_other) {
            error(word, "a packet comes in or goes out; explain each");
        }
        result_.place.direction = word.text == "in" ? Direction::kIn : Direction::kOut;
        return;
    }
    if (const Status read = read_interface(result_.place.interface, word.text); !read) {
        error(word, read.error().message);
    }
}

void Sentence::read_field(const FieldInfo& info, const Word& value) {
    const auto interval = parse_field(info.field, lower_case(value.text));
    if (!interval) {
        error(value, interval.error().message);
    } else if (interval->first != interval->last || (interval->mask & info.largest) != info.largest) {
        error(value, fmt::format("\"{}\" is more than one value; a packet has one {}", value.text, info.key));
    } else {
        set_field(info.field, value, interval->first);
    }
}

void Sentence::set_field(Field field, const Word& value, std::uint64_t number) {
    switch (field) {
        case Field::kVlan:
            packet().vlan = static_cast<std::uint16_t>(number);
            break;
        case Field::kTtl:
            packet().ttl = static_cast<std::uint8_t>(number);
            break;
        case Field::kLength:
            packet().length = static_cast<std::uint32_t>(number);
            break;
        case Field::kDscp:
            packet().dscp = static_cast<std::uint8_t>(number);
            break;
        case Field::kMac:
            packet().mac = number;
            break;
        case Field::kState:
            packet().state = static_cast<FlowState>(number);
            break;
        default:
            packet().fragment = static_cast<FragmentKind>(number);
            if (packet().family && source_->address.family == Family::kIpv4 &&
                packet().fragment == FragmentKind::kAtomic) {
                error(value, "atomic fragments are of IPv6 alone");
            }
    }
}

tl::expected<PacketText, Diagnostics> parse_packet(std::string_view text, std::string_view name) {
    return Sentence(text, name).read_packet();
}

tl::expected<PacketPlace, Diagnostics> parse_packet_place(std::string_view text, std::string_view name) {
    return Sentence(text, name).read_place();
}

}  // namespace fwctl::policy
