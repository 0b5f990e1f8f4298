#include "engine/explain.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>

#include "cli/command.h"
#include "cli/output.h"
#include "cli/policy_file.h"
#include "cli/show.h"
#include "engine/capture_file.h"
#include "policy/parse.h"
#include "policy/prefix.h"
#include "policy/print.h"
#include "policy/schema.h"

namespace fwctl::cli {
namespace {

using engine::Explanation;
using engine::Judgement;
using engine::KnownRule;

struct ExplainOptions {
    std::vector<std::string> words;
    std::string policy;
    std::string capture;
    std::string expect;
};

// Mistakes as an error: without the newline that ends them.
tl::unexpected<Error> refuse(const Diagnostics& diagnostics) {
    std::string text = diagnostics.render();
    if (text.ends_with('\n')) text.pop_back();
    return fail(std::move(text), Exit::kUsage);
}

std::string text_of(const std::vector<std::string>& words) {
    return fmt::format("{}", fmt::join(words, " "));
}

std::string title_of(const KnownRule& rule) {
    return fmt::format("\"{}\" ({})", rule.rule.name, describe_origin(rule.rule, rule.place));
}

Json rule_json(const KnownRule* rule) {
    if (rule == nullptr) return nullptr;
    Json json{{"number", rule->number},
              {"name", rule->rule.name},
              {"origin", policy::origin_name(rule->rule.origin)},
              {"text", policy::describe(rule->rule)}};
    json["place"] = rule->place.empty() ? Json(nullptr) : Json(rule->place);
    return json;
}

const char* why_name(fw_placed_why why) {
    switch (why) {
        case FW_PLACED_BY_TABLE:
            return "table";
        case FW_PLACED_BY_RING:
            return "ring";
        case FW_PLACED_BY_FORMER:
            return "former";
        case FW_PLACED_BY_FRAGMENT:
            return "fragment";
        case FW_PLACED_BY_STAND_IN:
            return "stand-in";
        case FW_PLACED_BY_CONNECTION:
            return "connection";
        case FW_PLACED_BY_NOTHING:
            break;
    }
    return "nothing";
}

const char* describe_why(fw_placed_why why) {
    switch (why) {
        case FW_PLACED_BY_TABLE:
            return "its flow is in the table";
        case FW_PLACED_BY_RING:
            return "its flow is not in the table, and the ring says so";
        case FW_PLACED_BY_FORMER:
            return "its flow is not in the table, and may have begun before the slot moved";
        case FW_PLACED_BY_FRAGMENT:
            return "its first fragment went there";
        case FW_PLACED_BY_STAND_IN:
            return "in the place of the slot's own, which is down or takes less for now";
        case FW_PLACED_BY_CONNECTION:
            return "its connection id names it";
        case FW_PLACED_BY_NOTHING:
            break;
    }
    return "it is answered here";
}

Json choice_json(const std::optional<engine::Placement>& choice) {
    if (!choice) return nullptr;
    return {{"vip", choice->vip},
            {"backend", choice->backend.empty() ? Json(nullptr) : Json(choice->backend)},
            {"slot", choice->slot},
            {"by", why_name(choice->why)}};
}

Json judgement_json(const Judgement& judgement) {
    return {{"verdict", judgement.verdict},
            {"reason", judgement.reason->name},
            {"rule", rule_json(judgement.rule)},
            {"service", choice_json(judgement.choice)}};
}

const char* side_name(fw_side side) {
    return side == FW_SOURCE ? "source" : "destination";
}

void print_as_json(const Explanation& explanation) {
    Json json{{"packet", policy::format_packet(explanation.packet)}};
    json.update(judgement_json(explanation.judgement));
    Json looked_at = Json::array();
    for (const engine::LookedAt& one : explanation.looked_at) {
        Json entry = rule_json(one.rule);
        entry["why_not"] = one.why_not.empty() ? Json(nullptr) : Json(one.why_not);
        looked_at.push_back(std::move(entry));
    }
    json["looked_at"] = std::move(looked_at);
    json["passed_over"] = explanation.passed_over;
    Json sets = Json::array();
    for (const engine::SetMatch& match : explanation.sets)
        sets.push_back({{"set", match.set},
                        {"side", side_name(match.side)},
                        {"prefix", policy::format_prefix(match.prefix)}});
    json["sets"] = std::move(sets);
    print_json(json);
}

std::string paint_verdict(std::string_view verdict, const Globals& globals) {
    const bool passes = verdict == "allow" || verdict == "redirect" || verdict == "balance";
    return paint(verdict, passes ? Color::kGreen : Color::kRed, globals);
}

void print_rules(const Explanation& explanation) {
    if (!explanation.looked_at.empty() || explanation.passed_over != 0) fmt::print("looked at before:\n");
    for (const engine::LookedAt& one : explanation.looked_at)
        fmt::print("  {}: {}\n", title_of(*one.rule),
                   one.why_not.empty() ? "counted, and the next rules were asked" : one.why_not);
    if (explanation.passed_over != 0)
        fmt::print("  not compared, as for other addresses or services: {} rule{}\n", explanation.passed_over,
                   explanation.passed_over == 1 ? "" : "s");
    if (explanation.not_noted != 0)
        fmt::print("  of {} more comparisons no note was kept\n", explanation.not_noted);
}

void print_choice(const engine::Placement& choice) {
    if (choice.why == FW_PLACED_BY_NOTHING)
        fmt::print("for vip {}: {}\n", choice.vip, describe_why(choice.why));
    else if (choice.backend.empty())
        fmt::print("for vip {}, slot {}: no backend can take it\n", choice.vip, choice.slot);
    else if (choice.why != FW_PLACED_BY_TABLE && choice.why != FW_PLACED_BY_FRAGMENT &&
             choice.why != FW_PLACED_BY_CONNECTION)
        fmt::print("for vip {}, slot {}, to backend {}: {}\n", choice.vip, choice.slot, choice.backend,
                   describe_why(choice.why));
    else
        fmt::print("for vip {}, to backend {}: {}\n", choice.vip, choice.backend, describe_why(choice.why));
}

void print_text(const Explanation& explanation, const Globals& globals) {
    const Judgement& judgement = explanation.judgement;
    fmt::print("{}\n{}, {}: {}\n", policy::format_packet(explanation.packet),
               paint_verdict(judgement.verdict, globals), judgement.reason->name, judgement.reason->text);
    if (judgement.rule != nullptr)
        fmt::print("by rule {}: {}\n", title_of(*judgement.rule), policy::describe(judgement.rule->rule));
    if (judgement.choice && judgement.verdict == "balance") print_choice(*judgement.choice);
    print_rules(explanation);
    for (const engine::SetMatch& match : explanation.sets)
        fmt::print("{} is in @{} by {}\n", side_name(match.side), match.set,
                   policy::format_prefix(match.prefix));
}

// What becomes of the packets of a capture, line by line.
class Report {
public:
    explicit Report(const Globals& globals) : globals_(globals) {}

    void add(const Explanation& explanation) {
        const Judgement& judgement = explanation.judgement;
        ++by_verdict_[std::string(judgement.verdict)];
        const std::string packet = policy::format_packet(explanation.packet);
        if (globals_.json) {
            Json entry{{"number", ++count_}, {"packet", packet}};
            entry.update(judgement_json(judgement));
            packets_.push_back(std::move(entry));
        } else {
            const std::string by =
                judgement.rule == nullptr ? std::string(judgement.reason->name) : title_of(*judgement.rule);
            fmt::print("{:>4}  {}  {} by {}\n", ++count_, packet, paint_verdict(judgement.verdict, globals_),
                       by);
        }
    }

    void add_unjudged(const std::string& why) {
        ++by_verdict_["not judged"];
        ++count_;
        if (globals_.json)
            packets_.push_back({{"number", count_}, {"verdict", nullptr}, {"problem", why}});
        else
            fmt::print("{:>4}  not judged: {}\n", count_, why);
    }

    void print_summary() const {
        if (globals_.json) {
            print_json({{"packets", packets_}, {"by_verdict", by_verdict_}});
            return;
        }
        std::vector<std::string> sums;
        for (const auto& [verdict, count] : by_verdict_) sums.push_back(fmt::format("{} {}", count, verdict));
        fmt::print("{} packet{}{}{}\n", count_, count_ == 1 ? "" : "s", sums.empty() ? "" : ": ",
                   join(sums, ", "));
    }

    [[nodiscard]] bool all_are(const std::string& verdict) const {
        const auto found = by_verdict_.find(verdict);
        return count_ == (found == by_verdict_.end() ? 0 : found->second);
    }

private:
    const Globals& globals_;
    std::size_t count_ = 0;
    std::map<std::string, std::size_t> by_verdict_;
    Json packets_ = Json::array();
};

Status judge_all(engine::Explainer& explainer, const policy::PacketPlace& place, engine::CaptureFile& file,
                 const std::string& name, Report& report) {
    auto attachment = explainer.find(place.interface);
    if (!attachment) return tl::unexpected(attachment.error());
    const bool is_bare = file.link() == FW_LINK_IP;
    if (file.link() != (*attachment)->record.link)
        return fail(fmt::format("{} has {}, the packets of {} {}", name,
                                is_bare ? "no Ethernet headers" : "Ethernet headers", (*attachment)->name(),
                                is_bare ? "do" : "have none"),
                    Exit::kUsage);
    const fw_direction direction = engine::direction_of(place.direction);
    for (;;) {
        auto frame = file.next();
        if (!frame) return tl::unexpected(frame.error());
        if (!*frame) return {};
        auto explanation = explainer.explain(**attachment, direction, **frame);
        if (!explanation && explanation.error().exit == Exit::kNotAttached)
            return tl::unexpected(explanation.error());
        explanation ? report.add(*explanation) : report.add_unjudged(explanation.error().message);
    }
}

// Of the policy that is asked about; nullptr: what is running.
Result<engine::Explainer> explainer_of(const policy::Loaded* loaded, const std::string& interface) {
    if (loaded == nullptr) return engine::Explainer::of_running();
    std::vector<std::string> interfaces;
    if (!interface.empty()) interfaces.push_back(interface);
    return engine::Explainer::of_policy(loaded->policy, interfaces);
}

Result<Exit> explain_words(const policy::Loaded* loaded, const ExplainOptions& options,
                           const Globals& globals) {
    const auto packet = policy::parse_packet(text_of(options.words));
    if (!packet) return refuse(packet.error());
    auto explainer = explainer_of(loaded, packet->place.interface);
    if (!explainer) return tl::unexpected(explainer.error());
    auto explanation = explainer->explain(*packet);
    if (!explanation) return tl::unexpected(explanation.error());
    globals.json ? print_as_json(*explanation) : print_text(*explanation, globals);
    if (options.expect.empty() || explanation->judgement.verdict == options.expect) return Exit::kDone;
    print_note(fmt::format("expected {}", options.expect), globals);
    return Exit::kTestFailed;
}

Result<Exit> explain_capture(const policy::Loaded* loaded, const ExplainOptions& options,
                             const Globals& globals) {
    const auto place = policy::parse_packet_place(text_of(options.words));
    if (!place) return refuse(place.error());
    auto explainer = explainer_of(loaded, place->interface);
    if (!explainer) return tl::unexpected(explainer.error());
    auto file = engine::CaptureFile::open(options.capture);
    if (!file) return tl::unexpected(file.error());
    Report report(globals);
    if (auto judged = judge_all(*explainer, *place, *file, options.capture, report); !judged)
        return tl::unexpected(judged.error());
    report.print_summary();
    return options.expect.empty() || report.all_are(options.expect) ? Exit::kDone : Exit::kTestFailed;
}

Result<Exit> run_explain(const ExplainOptions& options, const Globals& globals) {
    std::optional<policy::Loaded> loaded;
    if (!options.policy.empty()) {
        loaded = load_policy_file(options.policy, globals);
        if (!loaded) return Exit::kUsage;
    }
    const policy::Loaded* asked = loaded ? &*loaded : nullptr;
    return options.capture.empty() ? explain_words(asked, options, globals)
                                   : explain_capture(asked, options, globals);
}

}  // namespace

void add_explain(CLI::App& app, Command& command) {
    CLI::App* verb =
        app.add_subcommand("explain", "Say what becomes of a packet and why, without sending or counting it");
    auto options = std::make_shared<ExplainOptions>();
    verb->add_option("packet", options->words,
                     "'tcp 198.51.100.7:40000 > 203.0.113.10:443 syn on eth0'; with --pcap: 'on eth0 in'")
        ->option_text("PACKET");
    verb->add_option("--policy", options->policy, "Ask this policy by itself, not what is running")
        ->option_text("FILE");
    verb->add_option("--pcap", options->capture, "Each packet of a capture, pcap or pcapng")
        ->option_text("FILE");
    verb->add_option("--expect", options->expect, "End with status 11 when the verdict is another one")
        ->check(CLI::IsMember({"allow", "deny", "reject", "redirect", "synproxy", "balance"}))
        ->option_text("VERDICT");
    verb->callback([options, &command] {
        command.run = [options, &command] { return run_explain(*options, command.globals); };
    });
}

}  // namespace fwctl::cli
