#include "engine/events.h"

#include <algorithm>
#include <utility>

#include "engine/clock.h"
#include "engine/library.h"
#include "engine/rule_book.h"
#include "engine/running.h"
#include "engine/why_not.h"

namespace fwctl::engine {
namespace {

constexpr std::size_t kKnown = 16;

// As programs number it: struct fw_event.
std::uint32_t number_of(const Store::Holding& holding) {
    return static_cast<std::uint32_t>(holding.first << 1 | holding.second);
}

}  // namespace

Events::Events(CurrentStore store, Listener listener)
    : store_(std::move(store)), listener_(std::move(listener)) {}

Result<Events> Events::open(const Wanted& wanted) {
    CurrentStore store;
    if (auto found = store.find(); !found) return tl::unexpected(found.error());
    auto listener = Listener::open(*store, wanted);
    if (!listener) return tl::unexpected(listener.error());
    Events events(std::move(store), std::move(*listener));
    if (auto looked = events.look(); !looked) return tl::unexpected(looked.error());
    return events;
}

// What was read while another generation took its place may be of neither: the next look reads it whole.
Status Events::look() {
    if (!store_.is_there()) return fail("nothing is attached any more", Exit::kNotAttached);
    const Store::Holding holding = store_->holding();
    if (!known_.empty() && known_.front().holding == holding) return {};
    auto state = store_->read();
    auto running = store_->running_services();
    auto library = Library::open();
    if (!library) return tl::unexpected(library.error());
    auto main = state ? load_running(*library, state->main) : tl::unexpected(state.error());
    auto book = main ? RuleBook::of(*store_, *state, main->policy) : tl::unexpected(main.error());
    if (store_->holding() != holding && !known_.empty()) return {};
    if (!book) return tl::unexpected(book.error());
    if (!running) return tl::unexpected(running.error());
    Known known{holding, {}, {}, std::move(running->numbers)};
    for (const KnownRule& rule : book->rules()) known.rules[rule.counter] = rule.rule.name;
    for (const Attachment& attachment : state->attachments) known.attachments[attachment.slot] = attachment;
    known_.push_front(std::move(known));
    if (known_.size() > kKnown) known_.pop_back();
    return {};
}

// nullptr: nobody has seen it.
const Events::Known* Events::known_at(std::uint32_t generation) {
    const auto find = [&] {
        return std::find_if(known_.begin(), known_.end(),
                            [&](const Known& one) { return number_of(one.holding) == generation; });
    };
    auto found = find();
    if (found == known_.end() && look()) found = find();
    return found == known_.end() ? nullptr : &*found;
}

bool Events::has_rule(const std::string& name) const {
    const auto& rules = known_.front().rules;
    return std::any_of(rules.begin(), rules.end(), [&](const auto& one) { return one.second == name; });
}

bool Events::has_vip(const std::string& name) const {
    const auto all = known_.front().numbers.services();
    return std::find(all.begin(), all.end(), name) != all.end();
}

std::vector<Attachment> Events::attachments() const {
    std::vector<Attachment> all;
    for (const auto& one : known_.front().attachments) all.push_back(one.second);
    return all;
}

Event Events::put_into_words(const fw_event& event) {
    const Known* judged = known_at(event.generation);
    Event words;
    words.time = began_ + std::chrono::nanoseconds(event.time);
    words.happening = happening_of(event.reason);
    if (words.happening == nullptr) words.reason = &reason_of(event.reason);
    words.length = event.packet.length;
    const Known& known = judged == nullptr ? known_.front() : *judged;
    const auto attachment = known.attachments.find(event.slot);
    const Attachment where = attachment == known.attachments.end() ? Attachment{} : attachment->second;
    words.packet.packet = view_of(event.packet, static_cast<fw_link>(where.record.link),
                                  static_cast<fw_direction>(event.direction), where.names());
    words.packet.place = {where.name(), words.packet.packet.direction};
    if (judged == nullptr) return words;
    if (const auto rule = known.rules.find(event.rule); rule != known.rules.end()) words.rule = rule->second;
    const std::string name = event.backend == 0 ? "" : known.numbers.backend_name(event.backend);
    const std::size_t slash = name.find('/');
    if (slash == std::string::npos) return words;
    words.vip = name.substr(0, slash);
    words.backend = name.substr(slash + 1);
    return words;
}

Status Events::read(std::chrono::milliseconds wait, const Use& use, const Choose& choose) {
    const auto looked = look();
    began_ = monotonic_began();  // again and again, as the time of day may be set
    // Also the last ones before it was detached.
    const auto read = listener_.read(looked ? wait : std::chrono::milliseconds(0),
                                     [&](const fw_event& event, const kernel::Frame& frame) {
                                         if (choose && !choose(event, frame)) return true;
                                         Event words = put_into_words(event);
                                         words.frame = frame;
                                         return use(words);
                                     });
    return looked ? read : looked;
}

}  // namespace fwctl::engine
