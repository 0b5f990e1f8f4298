// Sentence::complete(): what can be said when all words are read, and what was left out.
#include <algorithm>
#include <string>

#include <fmt/format.h>

#include "base/text.h"
#include "policy/packet_defaults.h"
#include "policy/packet_sentence.h"
#include "policy/service.h"

namespace fwctl::policy {

void Sentence::complete() {
    const auto has = [this](std::string_view word) {
        return std::any_of(clauses_.begin(), clauses_.end(),
                           [word](const Word& clause) { return clause.text == word; });
    };
    packet().direction = result_.place.direction;
    if (packet().family) {
        packet().family = source_->address.family;
        packet().ethertype = ethertype_of(*packet().family);
        packet().source = source_->address.address;
        packet().destination = destination_->address.address;
        if (!has("ttl")) {
            packet().ttl = kDefaultTtl;
        }
        complete_layer4();
    } else {
        check_fields_of_other_frames();
    }
    if (!diagnostics_.empty()) {
        return;
    }
    const std::uint32_t shortest = shortest_length(packet());
    if (!has("length")) {
        packet().length = default_length(packet());
    } else if (packet().length < shortest) {
        const auto clause = std::find_if(clauses_.begin(), clauses_.end(),
                                         [](const Word& word) { return word.text == "length"; });
        error(*clause, fmt::format("the headers of this packet are {} bytes: it is no shorter", shortest));
    }
}

void Sentence::complete_layer4() {
    PacketView& view = packet();
    const Family family = *view.family;
    const bool is_later = view.fragment == FragmentKind::kLater;
    const bool by_name = !is_digits(words_[0].text) && words_[0].text.substr(0, 6) != "proto/";
    const bool is_icmp = view.protocol == icmp_protocol(family);
    if (by_name && view.protocol == icmp_protocol(other_family(family))) {
        error(words_[0], family == Family::kIpv4 ? "icmp6 is of IPv6; over IPv4 it is icmp"
                                                 : "icmp is of IPv4; over IPv6 it is icmp6");
        return;
    }
    if (!is_later && family == Family::kIpv6 && is_extension(view.protocol)) {
        error(words_[0],
              fmt::format("{} is a header of IPv6 that is stepped over, not a protocol", words_[0].text));
        return;
    }
    view.has_l4 = !is_later;
    const bool with_ports = view.has_ports();
    view.has_l4 = with_ports || (is_icmp && !is_later);
    for (const auto& end : {source_, destination_}) {
        if (end->port && !with_ports) {
            error(end->port_word, is_later ? "later fragments have no ports"
                                           : fmt::format("{} has no ports", words_[0].text));
        }
    }
    if (flags_ && (!with_ports || view.protocol != kProtocolTcp)) {
        error(flags_word_, is_later ? "later fragments have no TCP flags"
                                    : fmt::format("{} has no TCP flags", words_[0].text));
    }
    if (icmp_selector_ && is_later) {
        error(words_[0], "later fragments have no ICMP type");
    }
    if (is_icmp && !is_later && !icmp_selector_) {
        error(words_[0], "which type? write for example icmp/echo-request or icmp6/128");
    }
    if (with_ports && !destination_->port) {
        error(destination_->port_word, "the destination port is missing",
              fmt::format("write {}:443", family == Family::kIpv4
                                              ? std::string(destination_->port_word.text)
                                              : fmt::format("[{}]", destination_->port_word.text)));
    }
    if (!diagnostics_.empty()) {
        return;
    }
    if (with_ports) {
        view.source_port = source_->port.value_or(kDefaultSourcePort);
        view.selector = *destination_->port;
    }
    if (with_ports && view.protocol == kProtocolTcp) {
        view.tcp_flags = flags_.value_or(kDefaultTcpFlags);
    }
    if (is_icmp && !is_later) {
        view.selector = *icmp_selector_;
    }
}

void Sentence::check_fields_of_other_frames() {
    for (const Word& clause : clauses_) {
        const bool is_of_frame = clause.text == "on" || clause.text == "in" || clause.text == "out" ||
                                 clause.text == "vlan" || clause.text == "mac" || clause.text == "length";
        if (!is_of_frame) {
            error(clause, fmt::format("{} has no {}", words_[0].text,
                                      flag_of(clause.text) ? "TCP flags" : clause.text));
        }
    }
}

}  // namespace fwctl::policy
