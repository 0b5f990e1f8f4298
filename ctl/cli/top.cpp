#include <fmt/chrono.h>
#include <fmt/format.h>

#include <array>
#include <chrono>
#include <clocale>
#include <memory>
#include <optional>
#include <thread>

#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/output.h"
#include "cli/screen.h"
#include "cli/top_text.h"
#include "observe/ears.h"
#include "observe/ranking.h"

namespace fwctl::cli {
namespace {

using observe::Counts;
using observe::Ranking;
using observe::Rates;
using observe::SortBy;
using observe::View;
using std::chrono_literals::operator""s;
using std::chrono_literals::operator""ms;

struct ViewName {
    View view;
    const char* name;
    char key;
};
constexpr std::array kViews = {ViewName{View::kRules, "rules", '1'}, ViewName{View::kReasons, "reasons", '2'},
                               ViewName{View::kTalkers, "talkers", '3'},
                               ViewName{View::kServices, "services", '4'},
                               ViewName{View::kSets, "sets", '5'}};

const char* name_of(View view) {
    for (const ViewName& one : kViews)
        if (one.view == view) return one.name;
    return "";
}

const char* name_of(SortBy by) {
    switch (by) {
        case SortBy::kPackets:
            return "packets/s";
        case SortBy::kBytes:
            return "bytes/s";
        case SortBy::kTotal:
            return "total";
        case SortBy::kName:
            break;
    }
    return "name";
}

// What a view shows, and nothing else.
observe::Parts parts_of(View view) {
    return {.rules = view == View::kRules,
            .sets = view == View::kSets,
            .services = view == View::kServices,
            .tracking = false};
}

// Pictures, one after the other.
class Looking {
public:
    explicit Looking(View view) : view_(view) {}

    Status look() {
        auto counts = reader_.read(parts_of(view_));
        if (!counts) return tl::unexpected(counts.error());
        rates_ = observe::rates_between(now_ ? *now_ : *counts, *counts);
        now_ = std::move(*counts);
        return view_ == View::kTalkers ? hear() : Status{};
    }
    // What another view needs is there with the next look.
    void choose(View view) {
        view_ = view;
        if (view == View::kTalkers) return;
        ears_.reset();  // packets pay for it while somebody looks
        talkers_ = {};
    }
    // Packets need not go on for nobody, and what a pause has missed is in no rate.
    void rest() { ears_.reset(); }
    [[nodiscard]] View view() const { return view_; }
    [[nodiscard]] const Counts& counts() const { return *now_; }
    [[nodiscard]] const Rates& rates() const { return rates_; }
    [[nodiscard]] Ranking ranking(SortBy by, const std::string& filter) const {
        return observe::make_ranking(view_, *now_, rates_, talkers_, by, filter);
    }

private:
    // Who talks, since the look before.
    Status hear() {
        if (!ears_) {
            auto ears = observe::TalkerEars::open();
            if (!ears) return tl::unexpected(ears.error());
            ears_ = std::move(*ears);
            talkers_ = {};
            return {};
        }
        auto heard = ears_->look();
        if (!heard &&
            heard.error().exit == Exit::kNotAttached) {  // it may be again: the next look hears that
            ears_.reset();
            talkers_ = {};
            return {};
        }
        if (!heard) return tl::unexpected(heard.error());
        talkers_ = std::move(*heard);
        return {};
    }

    View view_;
    observe::CountReader reader_;
    std::optional<observe::TalkerEars> ears_;
    observe::TalkerRates talkers_;
    std::optional<Counts> now_;
    Rates rates_;
};

std::string title_of(const Looking& looking) {
    const auto time = std::chrono::system_clock::to_time_t(looking.counts().time);
    return fmt::format("fwctl top {}: generation {}, {:%H:%M:%S}", name_of(looking.view()),
                       looking.counts().generation, fmt::localtime(time));
}

Json json_of(const Ranking& ranking) {
    Json rows = Json::array();
    for (const observe::Row& row : ranking.rows) {
        Json entry;
        for (std::size_t i = 0; i < ranking.columns.size(); ++i)
            std::visit([&](const auto& cell) { entry[ranking.columns[i].key] = cell; }, row.cells[i]);
        rows.push_back(std::move(entry));
    }
    return rows;
}

Json interfaces_json(const Looking& looking) {
    Json all = Json::array();
    for (std::size_t i = 0; i < looking.counts().interfaces.size(); ++i) {
        const observe::InterfaceRates& rates = looking.rates().interfaces[i];
        all.push_back({{"interface", looking.counts().interfaces[i].name},
                       {"packets_per_second", {{"passed", rates.passed()}, {"dropped", rates.dropped()}}}});
    }
    return all;
}

Result<Exit> print_once(View view, const Globals& globals) {
    Looking looking(view);
    if (auto looked = looking.look(); !looked) return tl::unexpected(looked.error());
    std::this_thread::sleep_for(1s);
    if (auto looked = looking.look(); !looked) return tl::unexpected(looked.error());
    const Ranking ranking = looking.ranking(SortBy::kPackets, "");
    if (globals.json) {
        print_json({{"seconds", looking.rates().seconds},
                    {"generation", looking.counts().generation},
                    {"interfaces", interfaces_json(looking)},
                    {name_of(view), json_of(ranking)}});
        return Exit::kDone;
    }
    fmt::print("{}\n", title_of(looking));
    for (const std::string& line : interface_lines(looking.counts(), looking.rates(), ~std::size_t{0}))
        fmt::print("{}\n", line);
    fmt::print("\n");
    for (const std::string& line : table_lines(ranking, 0, ranking.rows.size())) fmt::print("{}\n", line);
    return Exit::kDone;
}

// The view on a terminal, until somebody ends it.
class Live {
public:
    Live(Screen screen, View view) : screen_(std::move(screen)), looking_(view) {}

    Status run() {
        constexpr auto kBetween = 1s;
        auto next = std::chrono::steady_clock::now();
        while (!ends_ && times_interrupted() == 0) {
            const auto now = std::chrono::steady_clock::now();
            if (is_new_ || (now >= next && !paused_)) {
                if (auto looked = looking_.look(); !looked) return looked;
                next = now + kBetween;
                is_new_ = false;
            }
            draw();
            const auto left = std::chrono::ceil<std::chrono::milliseconds>(next - now);
            press(
                screen_.key(paused_ ? kBetween : std::clamp<std::chrono::milliseconds>(left, 0ms, kBetween)));
        }
        return {};
    }

private:
    void draw() {
        constexpr std::size_t kInterfaces = 4;
        const auto height = static_cast<std::size_t>(std::max(screen_.rows(), 0));
        const Ranking ranking = looking_.ranking(sort_, filter_);
        screen_.clear();
        int row = 0;
        screen_.put(row++, title_of(looking_) + (paused_ ? ", PAUSED" : ""), Screen::Style::kBold);
        for (const std::string& line : interface_lines(looking_.counts(), looking_.rates(), kInterfaces))
            screen_.put(row++, line);
        screen_.put(row++, fmt::format("{} by {}{}", ranking.rows.size(), name_of(sort_),
                                       filter_.empty() ? "" : ", with \"" + printable(filter_) + "\""));
        const std::size_t room =
            height > static_cast<std::size_t>(row) + 2 ? height - static_cast<std::size_t>(row) - 2 : 0;
        page_rows_ = std::max<std::size_t>(room, 1);
        first_ = std::min(first_, ranking.rows.size() > room ? ranking.rows.size() - room : 0);
        const std::size_t width = static_cast<std::size_t>(std::max(screen_.columns(), 0));
        bool is_title = true;
        for (std::string& line : table_lines(ranking, first_, room)) {
            if (is_title) line.resize(std::max(line.size(), width), ' ');
            screen_.put(row++, line, is_title ? Screen::Style::kReverse : Screen::Style::kPlain);
            is_title = false;
        }
        screen_.put(screen_.rows() - 1,
                    is_typing_
                        ? "filter: " + printable(filter_) + "_"
                        : "1 rules 2 reasons 3 talkers 4 services 5 sets  sort pbtn  / filter  q quit");
        screen_.show();
    }

    void press(int key) {
        if (key == 0) return;
        if (is_typing_)
            type(key);
        else
            command(key);
    }

    void type(int key) {
        constexpr std::size_t kLongest = 64;
        if (key == kKeyEnter) {
            is_typing_ = false;
        } else if (key == kKeyEscape) {
            filter_.clear();
            is_typing_ = false;
        } else if (key == kKeyBackspace) {
            if (!filter_.empty()) filter_.pop_back();
        } else if (key >= ' ' && key < 0x100 && filter_.size() < kLongest) {
            filter_ += static_cast<char>(key);
        }
    }

    void command(int key) {
        for (const ViewName& one : kViews)
            if (key == one.key) choose(one.view);
        switch (key) {
            case 'q':
                ends_ = true;
                break;
            case 'p':
                sort_ = SortBy::kPackets;
                break;
            case 'b':
                sort_ = SortBy::kBytes;
                break;
            case 't':
                sort_ = SortBy::kTotal;
                break;
            case 'n':
                sort_ = SortBy::kName;
                break;
            case ' ':
                paused_ = !paused_;
                if (paused_) looking_.rest();
                break;
            case '/':
                is_typing_ = true;
                filter_.clear();
                break;
            case kKeyEscape:
                filter_.clear();
                break;
            default:
                scroll(key);
        }
    }

    void scroll(int key) {
        const auto back = [&](std::size_t rows) { first_ -= std::min(first_, rows); };
        if (key == kKeyUp || key == 'k') back(1);
        if (key == kKeyDown || key == 'j') ++first_;
        if (key == kKeyPageUp) back(page_rows_);
        if (key == kKeyPageDown) first_ += page_rows_;
        if (key == kKeyHome) first_ = 0;
    }

    void choose(View view) {
        looking_.choose(view);
        is_new_ = true;
        first_ = 0;
    }

    Screen screen_;
    Looking looking_;
    SortBy sort_ = SortBy::kPackets;
    std::string filter_;
    bool is_new_ = true;  // the view: nothing was read for it yet
    bool is_typing_ = false;
    bool paused_ = false;
    bool ends_ = false;
    std::size_t first_ = 0;
    std::size_t page_rows_ = 1;
};

Result<Exit> run_top(View view, bool once, const Globals& globals) {
    std::setlocale(LC_CTYPE, "");  // which characters the terminal knows
    if (once) return print_once(view, globals);
    if (globals.json) return fail("--json goes with --once here", Exit::kUsage);
    // The first look is before the screen is taken: what is wrong is to be read.
    observe::CountReader reader;
    if (auto there = reader.read(observe::kInterfacesAlone); !there) return tl::unexpected(there.error());
    end_when_interrupted(OnSignal::kGoesOn);
    Status done;
    {
        auto screen = Screen::open();
        if (!screen) return tl::unexpected(screen.error());
        done = Live(std::move(*screen), view).run();
    }
    if (!done) return tl::unexpected(done.error());
    return Exit::kDone;
}

}  // namespace

void add_top(CLI::App& app, Command& command) {
    CLI::App* verb =
        app.add_subcommand("top", "Watch what counts most: rules, reasons, sources, services or sets");
    auto name = std::make_shared<std::string>("rules");
    auto once = std::make_shared<bool>(false);
    std::vector<std::string> names;
    for (const ViewName& one : kViews) names.emplace_back(one.name);
    verb->add_option("view", *name, "What to begin with; rules without it")
        ->check(CLI::IsMember(names))
        ->option_text(join(names, "|"));
    verb->add_flag("--once", *once, "Print what is counted within a second, and end: needs no terminal");
    verb->callback([name, once, &command] {
        command.run = [name, once, &command]() -> Result<Exit> {
            for (const ViewName& one : kViews)
                if (*name == one.name) return run_top(one.view, *once, command.globals);
            return fail("there is no such view");
        };
    });
}

}  // namespace fwctl::cli
