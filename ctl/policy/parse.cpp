#include "policy/parse.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "policy/feed.h"
#include "policy/policy_reader.h"

namespace fwctl::policy {

namespace {

constexpr SourceSpan kWholeFile = {0, 1, 0};

bool is_policy_file(const std::string& name) {
    constexpr std::string_view kEnding = ".toml";
    return name.size() > kEnding.size() && name.front() != '.' &&
           name.compare(name.size() - kEnding.size(), kEnding.size(), kEnding) == 0;
}

class Loader {
public:
    Loader(std::string path, const FileReader& reader) : path_(std::move(path)), reader_(reader) {}

    LoadResult load() {
        auto text = reader_.read(path_);
        if (!text) {
            diagnostics_.error(add("", ""), kWholeFile, "cannot be read: " + text.error().message);
            return tl::unexpected<Diagnostics>(std::move(diagnostics_));
        }
        read_file(draft_, add("", std::move(*text)));
        std::set<std::string> folders;
        for (const Mention& include : draft_.includes) {
            read_folder(include, folders);
        }
        read_set_files();
        Policy policy = finish(std::move(draft_));
        if (diagnostics_.errors() > 0) {
            return tl::unexpected<Diagnostics>(std::move(diagnostics_));
        }
        std::vector<Source> sources = diagnostics_.sources();
        return Loaded{std::move(policy), std::move(sources), std::move(diagnostics_)};
    }

private:
    // `name` as seen from the policy's own folder; empty for the policy itself.
    std::size_t add(const std::string& name, std::string text) {
        names_.push_back(name);
        return diagnostics_.add_source({name.empty() ? path_ : path_of(name), std::move(text)});
    }

    [[nodiscard]] std::string path_of(const std::string& name) const { return path_beside(path_, name); }

    void refuse(const Mention& mention, std::string message) {
        diagnostics_.error(mention.place.file, mention.place.span, std::move(message));
    }

    void read_folder(const Mention& include, std::set<std::string>& folders) {
        std::string folder = include.word;
        while (folder.size() > 1 && folder.back() == '/') {
            folder.pop_back();
        }
        if (!folders.insert(folder).second) {
            refuse(include, fmt::format("\"{}\" is included already", folder));
            return;
        }
        auto names = reader_.list(path_of(folder));
        if (!names) {
            refuse(include, fmt::format("cannot read {}: {}", path_of(folder), names.error().message));
            return;
        }
        std::sort(names->begin(), names->end());
        for (const std::string& name : *names) {
            if (is_policy_file(name)) {
                read_included(include, fmt::format("{}/{}", folder, name));
            }
        }
    }

    void read_included(const Mention& include, const std::string& name) {
        auto text = reader_.read(path_of(name));
        if (!text) {
            refuse(include, fmt::format("cannot read {}: {}", path_of(name), text.error().message));
            return;
        }
        read_file(draft_, add(name, std::move(*text)));
    }

    void read_set_files() {
        std::map<std::string, std::vector<Prefix>> read;
        auto mention = draft_.set_files.begin();
        for (Set& set : draft_.policy.sets) {
            if (set.file.empty()) {
                continue;
            }
            set.file = path_beside(names_[set.place.file], set.file);
            const auto [elements, is_new] = read.try_emplace(set.file);
            if (is_new) {
                elements->second = read_set_file(*mention, set.file);
            }
            set.elements = elements->second;
            ++mention;
        }
    }

    std::vector<Prefix> read_set_file(const Mention& mention, const std::string& name) {
        auto text = reader_.read(path_of(name));
        if (!text) {
            refuse(mention, fmt::format("cannot read {}: {}", path_of(name), text.error().message));
            return {};
        }
        return read_feed(diagnostics_, add(name, std::move(*text)));
    }

    std::string path_;
    const FileReader& reader_;
    Diagnostics diagnostics_;
    Draft draft_{diagnostics_};
    std::vector<std::string> names_;  // of the sources
};

}  // namespace

LoadResult load_policy(const std::string& path, const FileReader& reader) {
    return Loader(path, reader).load();
}

ParseResult parse_policy(std::string_view text, std::string_view file_name) {
    Diagnostics diagnostics({Source{std::string(file_name), std::string(text)}});
    Draft draft{diagnostics, Origin::kLive};
    read_file(draft, 0);
    Policy policy = finish(std::move(draft));
    if (diagnostics.errors() > 0) {
        return tl::unexpected<Diagnostics>(std::move(diagnostics));
    }
    return policy;
}

bool has_comments(std::string_view text) {
    while (!text.empty()) {
        const std::size_t found = std::min(text.find_first_of("#\"'"), text.size());
        text.remove_prefix(found);
        if (text.empty() || text.front() == '#') {
            return !text.empty();
        }
        // A string: three quotes in a row open one that ends with three.
        const char quote = text.front();
        const std::size_t width = text.substr(0, 3) == std::string(3, quote) ? 3 : 1;
        const std::string end(width, quote);
        text.remove_prefix(width);
        while (!text.empty() && text.substr(0, width) != end) {
            text.remove_prefix(quote == '"' && text.front() == '\\' && text.size() > 1 ? 2 : 1);
        }
        text.remove_prefix(std::min(width, text.size()));
    }
    return false;
}

}  // namespace fwctl::policy
