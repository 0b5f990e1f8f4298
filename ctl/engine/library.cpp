#include "engine/library.h"

#include <fmt/format.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>
#include <set>

#include <nlohmann/json.hpp>

#include "base/file.h"
#include "net/namespace.h"

namespace fwctl::engine {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kRoot = "/var/lib/fwctl";

std::string boot_id() {
    auto id = read_file("/proc/sys/kernel/random/boot_id");
    return id ? id->substr(0, id->find('\n')) : "";
}

// The names of a line come from people: they are kept as JSON, a line for each.
std::string line_of(const Applied& entry) {
    return Json({{"number", entry.number},
                 {"time", entry.time},
                 {"who", entry.who},
                 {"what", entry.what},
                 {"path", entry.path},
                 {"snapshot", entry.snapshot},
                 {"rules", entry.rules}})
               .dump(-1, ' ', false, Json::error_handler_t::replace) +
           "\n";
}

std::optional<Applied> entry_of(std::string_view line) {
    const Json json = Json::parse(line, nullptr, false);
    if (json.is_discarded() || !json.is_object()) return std::nullopt;
    Applied entry;
    entry.number = json.value("number", std::uint64_t{0});
    entry.time = json.value("time", std::int64_t{0});
    entry.who = json.value("who", "");
    entry.what = json.value("what", "");
    entry.path = json.value("path", "");
    entry.snapshot = json.value("snapshot", "");
    entry.rules = json.value("rules", std::size_t{0});
    return entry;
}

// Of the list of a snapshot. A path that is no UTF-8 is kept as far as it is: it is there to be read.
std::string line_of(const Source& source, const std::string& text) {
    return Json({{"path", source.path}, {"text", text}})
               .dump(-1, ' ', false, Json::error_handler_t::replace) +
           "\n";
}

template <typename Function>
void each_line(std::string_view text, Function function) {
    while (!text.empty()) {
        const std::string_view line = text.substr(0, text.find('\n'));
        function(line);
        text.remove_prefix(std::min(text.size(), line.size() + 1));
    }
}

// Of the namespace that the process is in. Process 1 lets only those look who may do all that it may: what
// was seen before privileges were given up holds on.
bool is_first(std::uint64_t cookie) {
    static std::map<std::uint64_t, bool> known;
    if (!known.contains(cookie)) known[cookie] = net::in_first_namespace();
    return known[cookie];
}

}  // namespace

// 128 bits of xxHash (XXH3): who can write here needs no collision.
std::string text_name(std::string_view text) {
    const XXH128_hash_t hash = XXH3_128bits(text.data(), text.size());
    return fmt::format("{:016x}{:016x}", hash.high64, hash.low64);
}

std::string snapshot_name(const std::vector<Source>& sources) {
    std::string list;
    for (const Source& source : sources) list += line_of(source, text_name(source.text));
    return text_name(list);
}

Result<Library> Library::open() {
    Library library;
    auto cookie = net::namespace_cookie();
    if (!cookie) return tl::unexpected(cookie.error());
    library.is_host_ = is_first(*cookie);
    library.directory_ =
        library.is_host_ ? fmt::format("{}/host", kRoot) : fmt::format("{}/net-{}", kRoot, *cookie);
    return library;
}

// A cookie means something until the next boot alone.
Status Library::make_directories() const {
    std::error_code error;
    const std::string boot = directory_ + "/boot";
    const std::string now = boot_id();
    const auto then = read_file(boot);
    const bool is_of_now = then && *then == now;
    if (!is_host_ && !is_of_now) std::filesystem::remove_all(directory_, error);
    for (const char* name : {"snapshots", "texts"}) {
        std::filesystem::create_directories(directory_ + "/" + name, error);
        if (error) return fail(fmt::format("cannot make {}/{}: {}", directory_, name, error.message()));
    }
    chmod(kRoot, 0700);
    return is_host_ || is_of_now ? Status{} : write_file(boot, now);
}

Status Library::keep(const std::vector<Source>& sources) const {
    if (auto made = make_directories(); !made) return made;
    std::string list;
    for (const Source& source : sources) {
        const std::string text = text_name(source.text);
        const std::string path = fmt::format("{}/texts/{}", directory_, text);
        if (access(path.c_str(), F_OK) != 0)
            if (auto written = write_file(path, source.text); !written) return written;
        list += line_of(source, text);
    }
    return write_file(fmt::format("{}/snapshots/{}", directory_, text_name(list)), list);
}

Result<std::vector<Library::KeptFile>> Library::files_of(const std::string& snapshot) const {
    auto list = read_file(fmt::format("{}/snapshots/{}", directory_, snapshot));
    if (!list) return tl::unexpected(list.error());
    std::vector<KeptFile> files;
    each_line(*list, [&](std::string_view line) {
        const Json json = Json::parse(line, nullptr, false);
        if (json.is_object()) files.push_back({json.value("path", ""), json.value("text", "")});
    });
    if (files.empty()) return fail(fmt::format("the list of the snapshot {} is damaged", snapshot));
    return files;
}

Result<std::vector<Source>> Library::read(const std::string& snapshot) const {
    auto files = files_of(snapshot);
    if (!files)
        return context("the text of the running policy is gone; apply the policy again", files.error());
    std::vector<Source> sources;
    for (const KeptFile& file : *files) {
        auto text = read_file(fmt::format("{}/texts/{}", directory_, file.text));
        if (!text) return tl::unexpected(text.error());
        sources.push_back({file.path, std::move(*text)});
    }
    return sources;
}

Result<std::string> Library::path_of(const std::string& snapshot) const {
    auto files = files_of(snapshot);
    if (!files) return tl::unexpected(files.error());
    return std::move(files->front().path);
}

bool Library::same_texts(const std::string& one, const std::string& other) const {
    if (one == other) return true;
    const auto files = files_of(one);
    const auto others = files_of(other);
    return files && others &&
           std::equal(files->begin(), files->end(), others->begin(), others->end(),
                      [](const KeptFile& a, const KeptFile& b) { return a.text == b.text; });
}

Result<std::vector<Applied>> Library::history() const {
    std::vector<Applied> entries;
    const std::string path = directory_ + "/history";
    if (access(path.c_str(), F_OK) != 0) return entries;
    auto text = read_file(path);
    if (!text) return tl::unexpected(text.error());
    each_line(*text, [&](std::string_view line) {
        if (auto entry = entry_of(line)) entries.push_back(std::move(*entry));
    });
    return entries;
}

Status Library::intend(const Applied& entry) const {
    return write_file(directory_ + "/intended", line_of(entry));
}

Status Library::settle(const std::string& running) const {
    const std::string path = directory_ + "/intended";
    if (access(path.c_str(), F_OK) != 0) return {};
    auto text = read_file(path);
    if (!text) return tl::unexpected(text.error());
    auto entries = history();
    if (!entries) return tl::unexpected(entries.error());
    const bool is_noted = !entries->empty() && entries->back().snapshot == running;
    auto entry = entry_of(text->substr(0, text->find('\n')));
    if (entry && entry->snapshot == running && !is_noted) return note(std::move(*entry));
    unlink(path.c_str());
    return {};
}

Status Library::note(Applied entry) const {
    if (auto made = make_directories(); !made) return made;
    auto entries = history();
    if (!entries) return tl::unexpected(entries.error());
    entry.number = entries->empty() ? 1 : entries->back().number + 1;
    entries->push_back(std::move(entry));
    if (entries->size() > kKept) entries->erase(entries->begin());
    std::string text;
    for (const Applied& one : *entries) text += line_of(one);
    if (auto written = write_file(directory_ + "/history", text); !written) return written;
    unlink((directory_ + "/intended").c_str());
    tidy(entries->back().snapshot);
    return {};
}

void Library::tidy(const std::string& running) const {
    const auto entries = history();
    if (!entries) return;
    std::set<std::string> snapshots;
    for (const Applied& entry : *entries) snapshots.insert(entry.snapshot);
    if (!running.empty()) snapshots.insert(running);
    forget_others(std::move(snapshots));
}

void Library::forget_others(std::set<std::string> snapshots) const {
    std::error_code ignored;
    if (snapshots.empty()) {
        std::filesystem::remove_all(directory_, ignored);
        std::filesystem::remove(kRoot, ignored);  // stays while it has others
        return;
    }
    std::set<std::string> texts;
    for (const std::string& snapshot : snapshots)
        if (auto files = files_of(snapshot))
            for (const KeptFile& file : *files) texts.insert(file.text);
    const auto remove_others = [&](const char* name, const std::set<std::string>& named) {
        std::error_code error;
        for (const auto& file : std::filesystem::directory_iterator(directory_ + "/" + name, error))
            if (!named.contains(file.path().filename().string())) std::filesystem::remove(file.path(), error);
    };
    remove_others("snapshots", snapshots);
    remove_others("texts", texts);
}

void Library::forget() const {
    if (is_host_) return;
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
    std::filesystem::remove(kRoot, ignored);  // stays while it has others
}

std::string current_user() {
    const passwd* user = getpwuid(getuid());
    const std::string name = user != nullptr ? user->pw_name : std::to_string(getuid());
    const char* behind = std::getenv("SUDO_USER");
    return behind == nullptr || *behind == '\0' ? name : fmt::format("{} (sudo)", behind);
}

}  // namespace fwctl::engine
