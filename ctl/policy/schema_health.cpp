// The keys of `health` of [vip.NAME].
#include <algorithm>
#include <array>
#include <string>

#include <fmt/format.h>

#include "base/text.h"
#include "policy/health.h"
#include "policy/schema.h"
#include "policy/value.h"

namespace fwctl::policy {

namespace {

using Words = std::vector<std::string>;
using std::chrono::milliseconds;

constexpr unsigned kFirstStatus = 100;
constexpr unsigned kLastStatus = 599;
constexpr std::uint32_t kLongestRow = 100;
constexpr std::size_t kLongestHost = 253;         // RFC 1035 section 2.3.4, as text
constexpr std::size_t kLargestDatagram = 65'507;  // what IPv4 and UDP leave of 65,535 bytes
constexpr milliseconds kShortestPeriod{100};
constexpr milliseconds kLongestPeriod{3'600'000};

// `tcp = true`: a kind of which there is nothing more to say.
template <HealthKind kKind>
Status add_kind(Vip& vip, std::string_view word) {
    if (word != "true") {
        return refuse(fmt::format("\"{}\" is true or left out", word_of<HealthKind>(health_kinds(), kKind)));
    }
    vip.health.kind = kKind;
    return {};
}

template <HealthKind kKind>
Words kind_words(const Vip& vip) {
    return vip.health.kind == kKind ? Words{"true"} : Words{};
}

// Without blanks, which HTTP has no room for, and without a fragment, which is never sent.
template <HealthKind kKind>
Status add_path(Vip& vip, std::string_view word) {
    const bool is_plain = std::all_of(word.begin(), word.end(), [](char letter) {
        return letter > ' ' && letter < '\x7f' && letter != '#';
    });
    if (word.substr(0, 1) != "/" || !is_plain) {
        return refuse(fmt::format("\"{}\" is a path such as /healthz, of ASCII letters without blanks and #",
                                  word_of<HealthKind>(health_kinds(), kKind)));
    }
    vip.health.kind = kKind;
    vip.health.path = word;
    return {};
}

template <HealthKind kKind>
Words path_words(const Vip& vip) {
    return vip.health.kind == kKind ? Words{vip.health.path} : Words{};
}

Status add_payload(Vip& vip, std::string_view word) {
    if (word.size() > kLargestDatagram) {
        return refuse(fmt::format("\"udp\" is a datagram of at most {} bytes", kLargestDatagram));
    }
    vip.health.kind = HealthKind::kUdp;
    vip.health.payload = word;
    return {};
}

// One line of text, and not none.
Status read_filled_text(std::string& text, std::string_view word, std::string_view key) {
    if (word.empty()) {
        return refuse(fmt::format("\"{}\" is one line of text, and this one is empty", key));
    }
    return read_text(text, word, key);
}

Status add_command(Vip& vip, std::string_view word) {
    vip.health.kind = HealthKind::kExec;
    return read_filled_text(vip.health.command, word, "exec");
}

Status add_host(Vip& vip, std::string_view word) {
    const bool is_name = !word.empty() && word.size() <= kLongestHost &&
                         std::all_of(word.begin(), word.end(), [](char letter) {
                             return (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') ||
                                    (letter >= '0' && letter <= '9') || letter == '.' || letter == '-' ||
                                    letter == '_';
                         });
    if (!is_name) {
        return refuse("\"host\" is a name such as www.example.org, of A-Z a-z 0-9 . _ -, without a port");
    }
    vip.health.host = word;
    return {};
}

Status add_status(Vip& vip, std::string_view word) {
    const auto parts = split_range(word).value_or(std::pair(word, word));
    const auto first = parse_number(parts.first, kLastStatus);
    const auto last = parse_number(parts.second, kLastStatus);
    if (!first || !last || *first < kFirstStatus || *first > *last) {
        return refuse(fmt::format("\"status\" is a number from {} to {} or a range such as 200-399, not {}",
                                  kFirstStatus, kLastStatus, word));
    }
    vip.health.statuses.push_back({static_cast<std::uint16_t>(*first), static_cast<std::uint16_t>(*last)});
    return {};
}

Words status_words(const Vip& vip) {
    Words words;
    if (vip.health.statuses != Health{}.statuses) {
        for (const Range& range : vip.health.statuses) {
            words.push_back(range.first == range.last ? std::to_string(range.first)
                                                      : fmt::format("{}-{}", range.first, range.last));
        }
    }
    return words;
}

Status read_period(milliseconds& period, milliseconds shortest, std::string_view word, std::string_view key) {
    const auto duration = parse_short_duration(word);
    if (!duration) {
        return tl::unexpected<Error>(duration.error());
    }
    if (*duration < shortest || *duration > kLongestPeriod) {
        return refuse(fmt::format("\"{}\" is from {} to {}, not {}", key, format_duration(shortest),
                                  format_duration(kLongestPeriod), word));
    }
    period = *duration;
    return {};
}

Words timeout_words(const Vip& vip) {
    Health absent = vip.health;
    absent.timeout = Health{}.timeout;
    return vip.health.timeout == canonical(absent).timeout ? Words{}
                                                           : Words{format_duration(vip.health.timeout)};
}

Words row_words(std::uint32_t row, std::uint32_t absent) {
    return row == absent ? Words{} : Words{std::to_string(row)};
}

constexpr std::array kVias = {Choice<HealthVia>{"backend", HealthVia::kBackend},
                              Choice<HealthVia>{"vip", HealthVia::kVip}};

constexpr std::array kHealthKeys = {
    Key<Vip>{"tcp", ValueKind::kBoolean, false, "true", "A connection comes to be.",
             add_kind<HealthKind::kTcp>, kind_words<HealthKind::kTcp>},
    Key<Vip>{"http", ValueKind::kWord, false, "/healthz",
             "A GET of this path is answered as status and body say.", add_path<HealthKind::kHttp>,
             path_words<HealthKind::kHttp>},
    Key<Vip>{"https", ValueKind::kWord, false, "/healthz", "Likewise in TLS; certificates are not verified.",
             add_path<HealthKind::kHttps>, path_words<HealthKind::kHttps>},
    Key<Vip>{"udp", ValueKind::kWord, false, "ping\\r\\n",
             "A datagram with this in it is answered as answer says.", add_payload,
             [](const Vip& vip) {
                 return vip.health.kind == HealthKind::kUdp ? Words{vip.health.payload} : Words{};
             }},
    Key<Vip>{"ping", ValueKind::kBoolean, false, "true", "An ICMP or ICMPv6 echo request is answered.",
             add_kind<HealthKind::kPing>, kind_words<HealthKind::kPing>},
    Key<Vip>{"exec", ValueKind::kWord, false, "/usr/local/bin/is-well \"$FWCTL_ADDRESS\"",
             "This command of the shell ends with status 0.", add_command,
             [](const Vip& vip) {
                 return vip.health.kind == HealthKind::kExec ? Words{vip.health.command} : Words{};
             }},
    Key<Vip>{"port", ValueKind::kInteger, false, "8080",
             "Which port is asked, of all kinds but ping; absent: the lowest one that the services name.",
             [](Vip& vip, std::string_view word) { return read_port(vip.health.port, word, "port"); },
             [](const Vip& vip) {
                 return vip.health.port == 0 ? Words{} : Words{std::to_string(vip.health.port)};
             }},
    Key<Vip>{"via", ValueKind::kWord, false, "vip",
             "tcp, http, https and udp: vip asks the service's address, by the service's way to the backend; "
             "absent: backend, its own address.",
             [](Vip& vip, std::string_view word) {
                 return choose<HealthVia>(vip.health.via, kVias, word, "where a check goes");
             },
             [](const Vip& vip) { return vip.health.via == Health{}.via ? Words{} : Words{"vip"}; }},
    Key<Vip>{"host", ValueKind::kWord, false, "www.example.org",
             "http and https: the name that is asked for; absent: the address that is asked.", add_host,
             [](const Vip& vip) { return vip.health.host.empty() ? Words{} : Words{vip.health.host}; }},
    Key<Vip>{"status", ValueKind::kNumbers, false, "200, 200-399",
             "http and https: the good ones; absent: 200-399.", add_status, status_words},
    Key<Vip>{"body", ValueKind::kWord, false, "all is well",
             "http and https: what the first 64 KB of the answer contain; absent: whatever they do.",
             [](Vip& vip, std::string_view word) { return read_filled_text(vip.health.body, word, "body"); },
             [](const Vip& vip) { return vip.health.body.empty() ? Words{} : Words{vip.health.body}; }},
    Key<Vip>{
        "answer", ValueKind::kWord, false, "pong",
        "udp: what the answer contains, which has to come; absent: whatever it does, and silence is good.",
        [](Vip& vip, std::string_view word) {
            vip.health.answer = word;
            return Status{};
        },
        [](const Vip& vip) { return vip.health.answer ? Words{*vip.health.answer} : Words{}; }},
    Key<Vip>{"every", ValueKind::kWord, false, "500ms, 2s, 1m",
             "From the beginning of a check to the next one's, 100ms to 1h; absent: 2s.",
             [](Vip& vip, std::string_view word) {
                 return read_period(vip.health.every, kShortestPeriod, word, "every");
             },
             [](const Vip& vip) {
                 return vip.health.every == Health{}.every ? Words{}
                                                           : Words{format_duration(vip.health.every)};
             }},
    Key<Vip>{"timeout", ValueKind::kWord, false, "500ms, 1s",
             "What takes longer is bad, at most every; absent: 1s, or every if that is less.",
             [](Vip& vip, std::string_view word) {
                 return read_period(vip.health.timeout, milliseconds(1), word, "timeout");
             },
             timeout_words},
    Key<Vip>{"rise", ValueKind::kInteger, false, "2",
             "So many good ones in a row, and the backend is up, 1 to 100; absent: 2.",
             [](Vip& vip, std::string_view word) {
                 return read_count(vip.health.rise, kLongestRow, word, "rise");
             },
             [](const Vip& vip) { return row_words(vip.health.rise, Health{}.rise); }},
    Key<Vip>{"fall", ValueKind::kInteger, false, "3",
             "So many bad ones in a row, and it is down, 1 to 100; absent: 3.",
             [](Vip& vip, std::string_view word) {
                 return read_count(vip.health.fall, kLongestRow, word, "fall");
             },
             [](const Vip& vip) { return row_words(vip.health.fall, Health{}.fall); }},
};

}  // namespace

std::span<const Key<Vip>> health_keys() {
    return kHealthKeys;
}

}  // namespace fwctl::policy
