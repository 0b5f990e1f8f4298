#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/ends_show.h"
#include "cli/output.h"
#include "engine/events.h"
#include "policy/command.h"

namespace fwctl::cli {
namespace {

using engine::Event;

constexpr std::chrono::milliseconds kPause(500);  // also between two looks at what was lost

struct MonitorOptions {
    std::vector<std::string> words;
    std::string verdict;
    std::vector<std::string> reasons;
    std::string rule;
    std::string vip;
    std::uint32_t one_of = 1;
    std::uint64_t count = 0;  // 0: without end
};

const std::map<std::string, std::uint64_t>& bits_of_reasons() {
    static const std::map<std::string, std::uint64_t> bits = {
#define X(id, verdict, name, text) {name, std::uint64_t{1} << FW_REASON_##id},
        FW_REASONS(X)
#undef X
    };
    return bits;
}

const std::map<std::string, std::uint64_t>& bits_of_verdicts() {
    static const std::map<std::string, std::uint64_t> bits = [] {
        std::uint64_t of[3] = {};
#define X(id, verdict, name, text) of[verdict] |= std::uint64_t{1} << FW_REASON_##id;
        FW_REASONS(X)
#undef X
        return std::map<std::string, std::uint64_t>{
            {"pass", of[FW_PASS]}, {"drop", of[FW_DROP]}, {"redirect", of[FW_REDIRECT]}, {"any", ~0ULL}};
    }();
    return bits;
}

const char* verdict_name(fw_verdict verdict) {
    if (verdict == FW_DROP) return "drop";
    return verdict == FW_PASS ? "pass" : "redirect";
}

// Dropped packets, where nothing says of which ones to tell.
std::uint64_t wanted_reasons(const MonitorOptions& options) {
    const bool names_any = !options.reasons.empty() || !options.rule.empty() || !options.vip.empty();
    const std::string verdict = !options.verdict.empty() ? options.verdict : names_any ? "any" : "drop";
    std::uint64_t named = 0;
    for (const std::string& reason : options.reasons) named |= bits_of_reasons().at(reason);
    return bits_of_verdicts().at(verdict) & (named == 0 ? ~0ULL : named);
}

Result<policy::Rule> filter_of(std::vector<std::string> words) {
    for (const std::string& word : words)
        if (word.find('@') != std::string::npos)
            return fail(
                fmt::format(
                    "a filter of packets cannot name sets, as in \"{}\"; it takes services, from and to "
                    "with prefixes, on with interfaces, in or out",
                    word),
                Exit::kUsage);
    const auto is_service = [](const std::string& word) {
        return word != "from" && word != "to" && word != "on" && word != "in" && word != "out";
    };
    if (words.empty() || !is_service(words.front())) words.insert(words.begin(), "any");
    return policy::parse_rule_words(policy::Action::kAllow, words);
}

class Printer {
public:
    explicit Printer(const Globals& globals) : globals_(globals) {}

    void print(const Event& event) const {
        if (globals_.json)
            print_json_line(json_of(event));
        else
            fmt::print("{} {} {:<18} {}{}{}\n", local_time(event), verdict_text(event), event.reason->name,
                       policy::format_packet(event.packet),
                       event.rule.empty() ? "" : fmt::format(", rule \"{}\"", event.rule),
                       event.backend.empty() ? "" : fmt::format(", backend {}/{}", event.vip, event.backend));
    }

    // What is not in front of the reader, who has to know.
    void tell_lost(std::uint64_t lost) {
        if (lost < told_lost_) told_lost_ = 0;  // it is counted anew behind a standstill
        if (lost == told_lost_) return;
        if (globals_.json)
            print_json_line({{"lost", lost - told_lost_}});
        else
            tell(
                fmt::format("{} packets are not shown: they come faster than they can be printed; a filter, "
                            "or --sample N, shows fewer",
                            with_commas(lost - told_lost_)));
        told_lost_ = lost;
    }

    void tell_stood_still() const {
        if (globals_.json)
            print_json_line({{"lost", nullptr}});
        else
            tell("this process stood still: packets of that time are not shown");
    }

private:
    [[nodiscard]] std::string verdict_text(const Event& event) const {
        const std::string text = fmt::format("{:<8}", verdict_name(event.reason->verdict));
        return event.reason->verdict == FW_DROP ? paint(text, Color::kRed, globals_) : text;
    }

    static std::int64_t microseconds_of(const Event& event) {
        const auto since = event.time.time_since_epoch();
        return std::chrono::duration_cast<std::chrono::microseconds>(since).count();
    }

    static std::string local_time(const Event& event) {
        const std::int64_t all = microseconds_of(event);
        return fmt::format("{:%H:%M:%S}.{:06}", fmt::localtime(all / 1'000'000), all % 1'000'000);
    }

    static Json json_of(const Event& event) {
        const std::int64_t all = microseconds_of(event);
        const policy::PacketView& packet = event.packet.packet;
        Json json{{"time",
                   fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:06}Z", fmt::gmtime(all / 1'000'000), all % 1'000'000)},
                  {"interface", event.packet.place.interface},
                  {"direction", packet.direction == policy::Direction::kIn ? "in" : "out"},
                  {"verdict", verdict_name(event.reason->verdict)},
                  {"reason", event.reason->name},
                  {"rule", event.rule.empty() ? Json(nullptr) : Json(event.rule)},
                  {"vip", event.vip.empty() ? Json(nullptr) : Json(event.vip)},
                  {"backend", event.backend.empty() ? Json(nullptr) : Json(event.backend)},
                  {"length", event.length},
                  {"packet", policy::format_packet(event.packet)}};
        if (packet.family) json.update(ends_json(packet));
        return json;
    }

    static void print_json_line(const Json& json) {
        fmt::print("{}\n", json.dump(-1, ' ', false, Json::error_handler_t::replace));
    }

    // Behind the lines that were printed before, also where both go to one file.
    void tell(const std::string& note) const {
        std::fflush(stdout);
        print_note("note: " + note, globals_);
    }

    const Globals& globals_;
    std::uint64_t told_lost_ = 0;
};

volatile std::sig_atomic_t g_ends = 0;

void end_when_interrupted() {
    struct sigaction action {};
    action.sa_handler = [](int) { g_ends = 1; };
    sigaction(SIGINT, &action, nullptr);
    sigaction(SIGTERM, &action, nullptr);
}

Status refuse_unknown(const engine::Events& events, const MonitorOptions& options) {
    if (!options.rule.empty() && !events.has_rule(options.rule))
        return fail(fmt::format("there is no rule \"{}\"; see: fwctl rule list", options.rule), Exit::kUsage);
    if (!options.vip.empty() && !events.has_vip(options.vip))
        return fail(fmt::format("there is no vip \"{}\"; see: fwctl vip list", options.vip), Exit::kUsage);
    return {};
}

bool is_wanted(const Event& event, const MonitorOptions& options, const policy::Rule& filter) {
    return (options.rule.empty() || event.rule == options.rule) &&
           (options.vip.empty() || event.vip == options.vip) && policy::matches(filter, event.packet.packet);
}

Status print_until_the_end(engine::Events& events, const MonitorOptions& options, const policy::Rule& filter,
                           const Globals& globals) {
    Printer printer(globals);
    std::uint64_t left = options.count;
    const auto use = [&](const Event& event) {
        if (!is_wanted(event, options, filter)) return g_ends == 0;
        printer.print(event);
        return g_ends == 0 && (options.count == 0 || --left != 0);
    };
    while (g_ends == 0 && (options.count == 0 || left != 0)) {
        if (auto read = events.read(kPause, use); !read) return read;
        auto lost = events.lost();
        if (!lost) return tl::unexpected(lost.error());
        printer.tell_lost(*lost);
        if (events.stood_still()) printer.tell_stood_still();
        std::fflush(stdout);
    }
    return {};
}

Result<Exit> monitor(const MonitorOptions& options, const Globals& globals) {
    if (auto real = refuse_dry_run(globals); !real) return tl::unexpected(real.error());
    auto filter = filter_of(options.words);
    if (!filter) return tl::unexpected(filter.error());
    end_when_interrupted();
    auto events = engine::Events::open({wanted_reasons(options), options.one_of});
    if (!events) return tl::unexpected(events.error());
    if (auto known = refuse_unknown(*events, options); !known) return tl::unexpected(known.error());
    print_note("listening; Ctrl-C ends it", globals);
    if (auto printed = print_until_the_end(*events, options, *filter, globals); !printed)
        return tl::unexpected(printed.error());
    return Exit::kDone;
}

std::vector<std::string> names_of(const std::map<std::string, std::uint64_t>& bits) {
    std::vector<std::string> names;
    for (const auto& one : bits) names.push_back(one.first);
    return names;
}

}  // namespace

void add_monitor(CLI::App& app, Command& command) {
    CLI::App* verb =
        app.add_subcommand("monitor", "Print a line for each packet that is dropped, as it happens");
    auto options = std::make_shared<MonitorOptions>();
    verb->add_option("filter", options->words, "Packets that are so, as a rule says it; without it: all")
        ->option_text("[SERVICE...] [from A] [to A] [on IF] [in|out]");
    verb->add_option("--verdict", options->verdict,
                     "Packets with this one; without it the dropped ones, and with one of the next three any")
        ->check(CLI::IsMember(names_of(bits_of_verdicts())))
        ->option_text("pass|drop|redirect|any");
    verb->add_option("--reason", options->reasons,
                     "Packets with one of these reasons, as counters lists them")
        ->check(CLI::IsMember(names_of(bits_of_reasons())))
        ->delimiter(',')
        ->allow_extra_args(false)
        ->option_text("REASON,...");
    verb->add_option("--rule", options->rule, "Packets that this rule decided")->option_text("NAME");
    verb->add_option("--service", options->vip, "Packets to and from the backends of this one")
        ->option_text("VIP");
    verb->add_option("--sample", options->one_of, "Of so many packets one, by chance")
        ->check(CLI::Range(1U, 1'000'000'000U))
        ->option_text("N");
    verb->add_option("-c,--count", options->count, "End after so many lines")
        ->check(CLI::Range(std::uint64_t{1}, ~std::uint64_t{0}))
        ->option_text("N");
    verb->callback([options, &command] {
        command.run = [options, &command] { return monitor(*options, command.globals); };
    });
}

}  // namespace fwctl::cli
