// The output of ipset save.
#include <algorithm>
#include <array>
#include <chrono>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/text.h"
#include "import/conditions.h"
#include "import/import.h"
#include "import/iptables_lines.h"
#include "import/report.h"
#include "import/set_names.h"
#include "policy/print.h"

namespace fwctl::importer {

namespace {

using policy::Family;
using Words = std::span<const std::string>;

constexpr std::array<std::string_view, 3> kTypes = {"hash:ip", "hash:net", "bitmap:ip"};

// One element, in the order of the file.
struct Element {
    Numbers addresses;
    unsigned length = 0;  // of its prefix: the longest decides
    bool is_in = true;    // false: nomatch
};

struct IpsetSet {
    std::string original;
    std::string reason;  // why it is left out; empty: it is not
    Family family = Family::kIpv4;
    std::string netmask;  // what every element is as large as; empty: it says so itself
    ImportedSet result;
    std::vector<Element> elements;
    std::size_t lines = 0;  // that add to it
    std::size_t first_line = 0;
    std::size_t last_line = 0;
};

// What stands behind a word; empty: nothing.
std::string behind(Words words, std::string_view word) {
    const auto at = std::find(words.begin(), words.end(), word);
    return at == words.end() || at + 1 == words.end() ? "" : *(at + 1);
}

bool has(Words words, std::string_view word) {
    return std::find(words.begin(), words.end(), word) != words.end();
}

class IpsetReader {
public:
    explicit IpsetReader(std::string_view file_name) : file_name_(file_name) {}

    Result<Imported> read(std::string_view text) {
        while (!text.empty()) {
            const std::size_t end = std::min(text.find('\n'), text.size());
            ++line_;
            const Status status = read_line(text.substr(0, end));
            if (!status) {
                return tl::unexpected<Error>(status.error());
            }
            text.remove_prefix(std::min(end + 1, text.size()));
        }
        if (sets_.empty()) {
            return refuse("there is no set; this is not the output of ipset save");
        }
        return write();
    }

private:
    [[nodiscard]] tl::unexpected<Error> refuse(const std::string& what) const {
        return fail(fmt::format("{}:{}:1: {}", file_name_, std::max<std::size_t>(line_, 1), what),
                    Exit::kUsage);
    }

    Status read_line(std::string_view line) {
        const auto words = split_words(line);
        if (!words) {
            return refuse(words.error().message);
        }
        if (words->empty() || words->front().front() == '#') {
            return {};
        }
        if (words->size() >= 3 && words->front() == "create") {
            create((*words)[1], (*words)[2], Words(*words).subspan(3));
            return {};
        }
        if (words->size() >= 3 && words->front() == "add") {
            return add((*words)[1], (*words)[2], Words(*words).subspan(3));
        }
        return refuse(
            "expected `create SET TYPE …` or `add SET MEMBER`; this is not the output of ipset save");
    }

    void create(const std::string& original, const std::string& type, Words options) {
        IpsetSet set;
        set.original = original;
        set.first_line = line_;
        set.family = behind(options, "family") == "inet6" ? Family::kIpv6 : Family::kIpv4;
        set.netmask = behind(options, "netmask");
        const auto name = names_.take(original);
        if (!name) {
            set.reason = name.error().message;
        } else if (std::find(kTypes.begin(), kTypes.end(), type) == kTypes.end()) {
            set.reason = fmt::format("sets of the type `{}` have no counterpart", type);
        } else if (has(options, "bitmask")) {
            set.reason = "the option `bitmask` has no counterpart";
        }
        set.result.set.name = name.value_or("");
        set.result.set.dynamic = has(options, "timeout");
        if (set.result.set.dynamic) {
            constexpr unsigned kLongest = 36500U * 24 * 60 * 60;
            set.result.set.timeout =
                std::chrono::seconds(parse_number(behind(options, "timeout"), kLongest).value_or(0));
            const auto size = parse_number(behind(options, "maxelem"), 1U << 31);
            set.result.set.size = size && *size > 0 ? *size : set.result.set.size;
        }
        sets_.push_back(std::move(set));
    }

    Status add(const std::string& original, const std::string& member, Words options) {
        const auto set = std::find_if(sets_.rbegin(), sets_.rend(),
                                      [&](const IpsetSet& known) { return known.original == original; });
        if (set == sets_.rend()) {
            return refuse(fmt::format("the set {} has not been created before", original));
        }
        ++set->lines;
        set->last_line = line_;
        if (!set->reason.empty() || set->result.set.dynamic) {
            return {};
        }
        const auto element = read_member(*set, member);
        if (!element) {
            set->reason = element.error().message;
            return {};
        }
        set->elements.push_back(*element);
        set->elements.back().is_in = !has(options, "nomatch");
        return {};
    }

    static Result<Element> read_member(const IpsetSet& set, const std::string& member) {
        const std::size_t dash = member.find('-');
        const std::string text = set.netmask.empty() || member.find('/') != std::string::npos
                                     ? member
                                     : member + "/" + set.netmask;
        const auto block = dash == std::string::npos
                               ? parse_block(text)
                               : parse_span(member.substr(0, dash), member.substr(dash + 1));
        if (!block || block->family != set.family) {
            return fail(fmt::format("the member `{}` is not understood", member));
        }
        const auto blocks = blocks_of(block->family, block->addresses);
        return Element{block->addresses, blocks.front().length, true};
    }

    // The longest prefix around an address decides whether it is in. Those of one length are taken at once.
    static std::vector<policy::Prefix> members(IpsetSet& set) {
        const auto order = [](const Element& element) { return std::pair(element.length, element.is_in); };
        std::stable_sort(set.elements.begin(), set.elements.end(),
                         [&](const Element& one, const Element& other) { return order(one) < order(other); });
        Numbers inside;
        for (auto first = set.elements.begin(); first != set.elements.end();) {
            const auto last = std::find_if(first, set.elements.end(), [&](const Element& element) {
                return order(element) != order(*first);
            });
            std::vector<Span> spans;
            for (auto element = first; element != last; ++element) {
                spans.insert(spans.end(), element->addresses.spans().begin(),
                             element->addresses.spans().end());
            }
            const Numbers addresses(std::move(spans));
            inside = first->is_in ? inside.either(addresses)
                                  : inside.both(addresses.outside(largest_address(set.family)));
            first = last;
        }
        return blocks_of(set.family, inside);
    }

    Imported write() {
        Imported imported;
        std::string body;
        for (IpsetSet& set : sets_) {
            finish(set, imported);
            body += write_set(set.result);
        }
        imported.toml = write_comment(fmt::format(
            "Translated by fwctl from ipset save as {} has it; lines translated: {}, left out: {}.",
            file_name_, imported.translated, imported.left_out));
        if (imported.left_out != 0) {
            imported.toml += "#\n" + write_comment(
                                         "WARNING: rules that ask for what is left out match less than they "
                                         "did, or more where they "
                                         "ask for what is not in a set.");
        }
        imported.toml += "\n" + policy::print_policy({}) + body;
        return imported;
    }

    void finish(IpsetSet& set, Imported& imported) const {
        std::vector<std::string>& comments = set.result.comments;
        const std::string place = fmt::format("{}:{}", file_name_, set.first_line);
        if (!set.reason.empty()) {
            comments.push_back(
                fmt::format("{}: the set {} (members: {}): {}", place, set.original, set.lines, set.reason));
            set.result.set.name.clear();
            imported.left_out += set.lines + 1;
            return;
        }
        if (set.result.set.name != set.original) {
            comments.push_back(fmt::format("Called {} by ipset.", set.original));
        }
        ++imported.translated;
        if (!set.result.set.dynamic) {
            set.result.set.elements = members(set);
            imported.translated += set.lines;
        } else if (set.lines != 0) {
            comments.push_back(
                fmt::format("{}-{}: the members of {} ({}): those of a set with timeouts are added live, by "
                            "`fwctl set add`",
                            place, set.last_line, set.original, set.lines));
            imported.left_out += set.lines;
        }
    }

    std::string file_name_;
    std::vector<IpsetSet> sets_;
    SetNames names_;
    std::size_t line_ = 0;
};

}  // namespace

Result<Imported> import_ipset(std::string_view text, std::string_view file_name) {
    return IpsetReader(file_name).read(text);
}

}  // namespace fwctl::importer
