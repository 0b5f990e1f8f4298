#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "base/file.h"
#include "cli/command.h"
#include "cli/output.h"
#include "cli/policy_file.h"
#include "engine/policy_test.h"

namespace fwctl::cli {
namespace {

using engine::TestOutcome;

struct TestOptions {
    std::vector<std::string> files;
    bool tap = false;
    std::string junit;
};

// The tests of one policy.
struct Suite {
    std::string file;
    std::vector<TestOutcome> outcomes;
};

std::size_t count_failed(const std::vector<TestOutcome>& outcomes) {
    return static_cast<std::size_t>(
        std::count_if(outcomes.begin(), outcomes.end(), [](const auto& one) { return !one.passed(); }));
}

Json to_json(const TestOutcome& outcome) {
    Json json{{"place", outcome.place}, {"packet", outcome.test.packet}, {"expect", outcome.test.expect}};
    json["verdict"] = outcome.verdict.empty() ? Json(nullptr) : Json(outcome.verdict);
    json["decider"] = outcome.decider.empty() ? Json(nullptr) : Json(outcome.decider);
    json["problem"] = outcome.passed() ? Json(nullptr) : Json(outcome.problem);
    return json;
}

void print_as_json(const std::vector<Suite>& suites) {
    Json tests = Json::array();
    std::size_t failed = 0;
    for (const Suite& suite : suites) {
        failed += count_failed(suite.outcomes);
        for (const TestOutcome& outcome : suite.outcomes) tests.push_back(to_json(outcome));
    }
    print_json({{"tests", tests}, {"failed", failed}});
}

void print_text(const std::vector<Suite>& suites, const Globals& globals) {
    std::size_t count = 0;
    std::size_t failed = 0;
    for (const Suite& suite : suites) {
        count += suite.outcomes.size();
        failed += count_failed(suite.outcomes);
        for (const TestOutcome& outcome : suite.outcomes)
            fmt::print("{}: {} {}: {}\n", outcome.place,
                       outcome.passed() ? paint("ok", Color::kGreen, globals)
                                        : paint("FAILED", Color::kRed, globals),
                       outcome.test.packet,
                       outcome.passed() ? fmt::format("{} by {}", outcome.verdict, outcome.decider)
                                        : outcome.problem);
    }
    fmt::print("{} test{}, {} failed\n", count, count == 1 ? "" : "s", failed);
}

// Test Anything Protocol, version 13.
void print_tap(const std::vector<Suite>& suites) {
    std::size_t count = 0;
    for (const Suite& suite : suites) count += suite.outcomes.size();
    fmt::print("TAP version 13\n1..{}\n", count);
    std::size_t number = 0;
    for (const Suite& suite : suites) {
        for (const TestOutcome& outcome : suite.outcomes) {
            std::string name = outcome.test.packet;
            std::replace(name.begin(), name.end(), '#', ' ');  // would begin a directive
            fmt::print("{} {} - {} {}\n", outcome.passed() ? "ok" : "not ok", ++number, outcome.place, name);
            if (!outcome.passed()) fmt::print("# {}\n", outcome.problem);
        }
    }
}

std::string escape_xml(std::string_view text) {
    std::string out;
    for (const char letter : text) {
        switch (letter) {
            case '&':
                out += "&amp;";
                break;
            case '<':
                out += "&lt;";
                break;
            case '>':
                out += "&gt;";
                break;
            case '"':
                out += "&quot;";
                break;
            default:
                out += letter;
        }
    }
    return out;
}

// As CI servers read it: a suite for each policy.
std::string junit_of(const std::vector<Suite>& suites) {
    std::string xml = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n";
    for (const Suite& suite : suites) {
        xml += fmt::format("  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\">\n", escape_xml(suite.file),
                           suite.outcomes.size(), count_failed(suite.outcomes));
        for (const TestOutcome& outcome : suite.outcomes) {
            xml += fmt::format("    <testcase classname=\"{}\" name=\"{}\"", escape_xml(outcome.place),
                               escape_xml(outcome.test.packet));
            xml += outcome.passed() ? "/>\n"
                                    : fmt::format(">\n      <failure message=\"{}\"/>\n    </testcase>\n",
                                                  escape_xml(outcome.problem));
        }
        xml += "  </testsuite>\n";
    }
    return xml + "</testsuites>\n";
}

Status print(const std::vector<Suite>& suites, const TestOptions& options, const Globals& globals) {
    if (options.junit == "-") {
        fmt::print("{}", junit_of(suites));
        return {};
    }
    if (!options.junit.empty())
        if (auto written = write_file(options.junit, junit_of(suites)); !written) return written;
    if (options.tap)
        print_tap(suites);
    else if (globals.json)
        print_as_json(suites);
    else
        print_text(suites, globals);
    return {};
}

Result<Exit> run_test(const TestOptions& options, const Globals& globals) {
    std::vector<Suite> suites;
    for (const std::string& file : options.files) {
        const auto loaded = load_policy_file(file, globals);
        if (!loaded) return Exit::kUsage;
        auto outcomes = engine::run_tests(loaded->policy);
        if (!outcomes) return context(file, outcomes.error());
        if (outcomes->empty()) print_note(fmt::format("{} has no [[test]]", file), globals);
        suites.push_back({file, std::move(*outcomes)});
    }
    if (auto printed = print(suites, options, globals); !printed) return tl::unexpected(printed.error());
    const bool all_passed = std::all_of(suites.begin(), suites.end(),
                                        [](const Suite& suite) { return count_failed(suite.outcomes) == 0; });
    return all_passed ? Exit::kDone : Exit::kTestFailed;
}

}  // namespace

void add_test(CLI::App& app, Command& command) {
    CLI::App* verb = app.add_subcommand("test", "Run the [[test]] blocks of policies, without applying them");
    auto options = std::make_shared<TestOptions>();
    verb->add_option("file", options->files, "The policies")->required()->option_text("FILE...");
    CLI::Option* tap = verb->add_flag("--tap", options->tap, "Print TAP (Test Anything Protocol)");
    verb->add_option("--junit", options->junit, "Write a JUnit report, too; -: print it instead")
        ->option_text("FILE")
        ->excludes(tap);
    verb->callback([options, &command] {
        command.run = [options, &command] { return run_test(*options, command.globals); };
    });
}

}  // namespace fwctl::cli
