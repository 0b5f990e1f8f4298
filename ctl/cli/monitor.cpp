#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cli/command.h"
#include "cli/ends_show.h"
#include "cli/interrupt.h"
#include "cli/output.h"
#include "cli/reason_words.h"
#include "engine/events.h"
#include "engine/verdict.h"
#include "policy/command.h"
#include "policy/schema.h"

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
    bool logs = false;
    bool flows = false;
    std::uint32_t one_of = 1;
    std::uint64_t count = 0;  // 0: without end
};

std::uint64_t wanted_verdicts(const MonitorOptions& options) {
    const bool names_any = !options.reasons.empty() || !options.rule.empty() || !options.vip.empty();
    const std::string verdict = !options.verdict.empty() ? options.verdict : names_any ? "any" : "drop";
    std::uint64_t named = 0;
    for (const std::string& reason : options.reasons) named |= bits_of_reasons().at(reason);
    return bits_of_verdicts().at(verdict) & (named == 0 ? ~0ULL : named);
}

// Dropped packets and logged ones, where nothing says of which ones to tell.
std::uint64_t wanted_bits(const MonitorOptions& options) {
    const bool names_verdicts = !options.verdict.empty() || !options.reasons.empty();
    const bool names_others = options.logs || options.flows;
    const bool logs = options.logs || (!names_others && !names_verdicts && options.vip.empty());
    const std::uint64_t logged = std::uint64_t{1} << FW_RULE_LOGGED;
    std::uint64_t bits = logs ? logged : 0;
    if (options.flows) bits |= FW_HAPPENINGS & ~logged;
    if (!names_others || names_verdicts) bits |= wanted_verdicts(options);
    return bits;
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
    return policy::parse_filter_words(std::move(words));
}

class Printer {
public:
    explicit Printer(const Globals& globals) : globals_(globals) {}

    // False: it cannot be written, as errno says.
    [[nodiscard]] bool print(const Event& event) const {
        return write_line(globals_.json ? text_of(json_of(event)) : text_of(event));
    }

    // What is not in front of the reader, who has to know.
    [[nodiscard]] bool tell_lost(std::uint64_t lost) {
        const std::uint64_t more = lost - std::exchange(told_lost_, lost);
        if (more == 0) return true;
        if (globals_.json) return write_line(text_of(Json{{"lost", more}}));
        return tell(
            fmt::format("{} packets are not shown: they come faster than they can be printed; a filter, or "
                        "--sample N, shows fewer",
                        with_commas(more)));
    }

    [[nodiscard]] bool tell_stood_still() const {
        if (globals_.json) return write_line(text_of(Json{{"lost", nullptr}}));
        return tell("this process stood still: packets of that time are not shown");
    }

private:
    [[nodiscard]] std::string text_of(const Event& event) const {
        return fmt::format(
            "{} {} {:<18} {}{}{}\n", local_time(event), verdict_text(event), name_of(event),
            subject_of(event), event.rule.empty() ? "" : fmt::format(", rule \"{}\"", event.rule),
            event.backend.empty() ? "" : fmt::format(", backend {}/{}", event.vip, event.backend));
    }
    static std::string text_of(const Json& json) {
        return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
    }

    // By hand, as fmt::print() throws where a signal comes while a pipe is full.
    static bool write_line(const std::string& line) {
        return std::fwrite(line.data(), 1, line.size(), stdout) == line.size();
    }

    static bool is_of_flow(const Event& event) {
        return event.happening != nullptr && engine::is_of_flow(*event.happening);
    }

    static std::string subject_of(const Event& event) {
        const policy::PacketView& packet = event.packet.packet;
        if (!is_of_flow(event) || !packet.family) return policy::format_packet(event.packet);
        return fmt::format("{} {} > {} on {}{}", protocol_text(packet.protocol),
                           end_text(packet, packet.source, packet.source_port),
                           end_text(packet, packet.destination, packet.selector),
                           event.packet.place.interface,
                           packet.direction == policy::Direction::kOut ? " out" : "");
    }

    static std::string_view name_of(const Event& event) {
        return event.reason != nullptr ? event.reason->name : event.happening->name;
    }

    [[nodiscard]] std::string verdict_text(const Event& event) const {
        if (event.reason == nullptr) return fmt::format("{:<8}", event.happening->kind);
        const std::string text = fmt::format("{:<8}", engine::verdict_name(event.reason->verdict));
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
                  {"direction", policy::direction_name(packet.direction)},
                  {"rule", event.rule.empty() ? Json(nullptr) : Json(event.rule)},
                  {"vip", event.vip.empty() ? Json(nullptr) : Json(event.vip)},
                  {"backend", event.backend.empty() ? Json(nullptr) : Json(event.backend)}};
        if (!is_of_flow(event)) {
            json["length"] = event.length;
            json["packet"] = policy::format_packet(event.packet);
        }
        if (event.reason != nullptr) {
            json["verdict"] = engine::verdict_name(event.reason->verdict);
            json["reason"] = event.reason->name;
        } else {
            json["event"] = event.happening->name;
        }
        if (packet.family) json.update(ends_json(packet));
        return json;
    }

    // On standard error, whatever --quiet says, behind the lines that were printed before.
    static bool tell(const std::string& note) {
        const std::string line = "fwctl: note: " + note + "\n";
        return std::fflush(stdout) == 0 && std::fwrite(line.data(), 1, line.size(), stderr) == line.size();
    }

    const Globals& globals_;
    std::uint64_t told_lost_ = 0;
};

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

// One that goes on until `count` lines are there, or somebody wants it to end.
class Monitoring {
public:
    Monitoring(engine::Events& events, const MonitorOptions& options, const policy::Rule& filter,
               const Globals& globals)
        : events_(events), options_(options), filter_(filter), printer_(globals) {}

    Status run() {
        while (times_interrupted() == 0 && !is_done())
            if (auto read = print_some(kPause); !read) return read;
        // What was decided before it was asked to end; who asks twice is in a hurry.
        return is_done() ? Status{} : print_some(std::chrono::milliseconds(0));
    }

private:
    [[nodiscard]] bool is_done() const { return options_.count != 0 && printed_ == options_.count; }

    Status print_some(std::chrono::milliseconds wait) {
        int why = 0;  // nothing can be written
        const auto succeeds = [&why](bool written) {
            if (!written && why == 0) why = errno;
            return why == 0;
        };
        const auto read = events_.read(wait, [&](const Event& event) {
            if (!is_wanted(event, options_, filter_)) return times_interrupted() < 2;
            ++printed_;
            return succeeds(printer_.print(event)) && !is_done() && times_interrupted() < 2;
        });
        if (auto lost = events_.lost(); lost && why == 0) succeeds(printer_.tell_lost(*lost));
        if (why == 0 && events_.stood_still()) succeeds(printer_.tell_stood_still());
        if (why == 0) succeeds(std::fflush(stdout) == 0);
        if (why != 0 && times_interrupted() == 0) return fail(fmt::format("cannot write: {}", strerror(why)));
        return read;
    }

    engine::Events& events_;
    const MonitorOptions& options_;
    const policy::Rule& filter_;
    Printer printer_;
    std::uint64_t printed_ = 0;
};

Result<Exit> monitor(const MonitorOptions& options, const Globals& globals) {
    if (auto real = refuse_dry_run(globals); !real) return tl::unexpected(real.error());
    auto filter = filter_of(options.words);
    if (!filter) return tl::unexpected(filter.error());
    end_when_interrupted(OnSignal::kInterruptsWriting);
    auto events = engine::Events::open({wanted_bits(options), options.one_of});
    if (!events) return tl::unexpected(events.error());
    if (auto known = refuse_unknown(*events, options); !known) return tl::unexpected(known.error());
    print_note("listening; Ctrl-C ends it", globals);
    if (auto done = Monitoring(*events, options, *filter, globals).run(); !done)
        return tl::unexpected(done.error());
    return Exit::kDone;
}

// For CLI11: what is wrong with it. A script's empty variable is no filter that lets everything through.
std::string is_named(const std::string& name) {
    return name.empty() ? "a name is missing" : "";
}

}  // namespace

void add_monitor(CLI::App& app, Command& command) {
    CLI::App* verb = app.add_subcommand(
        "monitor", "Print a line for each packet that is dropped or logged, as it happens");
    auto options = std::make_shared<MonitorOptions>();
    verb->add_option("filter", options->words, "Packets that are so, as a rule says it; without it: all")
        ->option_text("[SERVICE...] [from A] [to A] [on IF] [in|out]");
    verb->add_option(
            "--verdict", options->verdict,
            "Packets with this one; without it the dropped and the logged ones, and with one of the next "
            "three any")
        ->check(CLI::IsMember(names_of(bits_of_verdicts())))
        ->option_text("pass|drop|redirect|any");
    verb->add_option("--reason", options->reasons,
                     "Packets with one of these reasons, as counters lists them")
        ->check(CLI::IsMember(names_of(bits_of_reasons())))
        ->delimiter(',')
        ->allow_extra_args(false)
        ->option_text("REASON,...");
    verb->add_option("--rule", options->rule, "Packets that this rule decided or logged")
        ->check(is_named)
        ->option_text("NAME");
    verb->add_option("--service", options->vip, "Packets to and from the backends of this one")
        ->check(is_named)
        ->option_text("VIP");
    verb->add_flag("--log", options->logs,
                   "Packets that rules with action log have met; without the dropped ones");
    verb->add_flag(
            "--flows", options->flows,
            "Flows that open, are confirmed, close or are pushed out, and get their backend; without the "
            "dropped packets")
        ->excludes("--rule");
    verb->add_option("--sample", options->one_of, "Of so many packets one, by chance")
        ->check(CLI::Range(1U, 1'000'000'000U))
        ->option_text("N");
    verb->add_option("-c,--count", options->count, "End after so many lines")
        ->check(how_many())
        ->option_text("N");
    verb->callback([options, &command] {
        command.run = [options, &command] { return monitor(*options, command.globals); };
    });
}

}  // namespace fwctl::cli
