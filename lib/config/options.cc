// The table of options, and setters by number.
#include <algorithm>
#include <array>

#include "config/config.h"
#include "config/load.h"

namespace cardea::config {

namespace {

constexpr OptionRow kRows[] = {
#define GLOBAL_OPTION(id, name, type, member, key, default_value, min, max, doc) \
  {id, "GLOBAL_" #name, Owner::global, Type::type, key, default_value, min, max, doc},
#define LISTENER_OPTION(id, name, type, member, key, default_value, min, max, doc) \
  {id, "LISTENER_" #name, Owner::listener, Type::type, key, default_value, min, max, doc},
#define ROUTE_OPTION(id, name, type, member, key, default_value, min, max, doc) \
  {id, "ROUTE_" #name, Owner::route, Type::type, key, default_value, min, max, doc},
#define CLUSTER_OPTION(id, name, type, member, key, default_value, min, max, doc) \
  {id, "CLUSTER_" #name, Owner::cluster, Type::type, key, default_value, min, max, doc},
#include "config/options.def"
};
static_assert(std::is_sorted(std::begin(kRows), std::end(kRows),
                             [](const OptionRow& a, const OptionRow& b) { return a.id < b.id; }));

// Options whose strings are one of a few words. `later`: known, but its feature is not here yet.
struct Word {
  int id;
  Bytes word;
  bool later = false;
};
constexpr Word kWords[] = {
    {OPT_GLOBAL_DRAIN_STRATEGY, "immediate"},
    {OPT_GLOBAL_DRAIN_STRATEGY, "gradual"},
    {OPT_GLOBAL_PATH_WITH_ESCAPED_SLASHES_ACTION, "keep_unchanged"},
    {OPT_GLOBAL_PATH_WITH_ESCAPED_SLASHES_ACTION, "reject_request"},
    {OPT_GLOBAL_PATH_WITH_ESCAPED_SLASHES_ACTION, "unescape_and_redirect"},
    {OPT_GLOBAL_PATH_WITH_ESCAPED_SLASHES_ACTION, "unescape_and_forward"},
    {OPT_GLOBAL_HEADERS_WITH_UNDERSCORES_ACTION, "allow"},
    {OPT_GLOBAL_HEADERS_WITH_UNDERSCORES_ACTION, "reject_request"},
    {OPT_GLOBAL_HEADERS_WITH_UNDERSCORES_ACTION, "drop_header"},
    {OPT_GLOBAL_DNS_LOOKUP_FAMILY, "AUTO"},
    {OPT_GLOBAL_DNS_LOOKUP_FAMILY, "V4_ONLY"},
    {OPT_GLOBAL_DNS_LOOKUP_FAMILY, "V6_ONLY"},
    {OPT_GLOBAL_DNS_LOOKUP_FAMILY, "V4_PREFERRED"},
    {OPT_GLOBAL_DNS_LOOKUP_FAMILY, "ALL"},
    {OPT_GLOBAL_DOWNSTREAM_MTLS_ENFORCEMENT, "policy_with_default_deny"},
    {OPT_GLOBAL_DOWNSTREAM_MTLS_ENFORCEMENT, "policy"},
    {OPT_GLOBAL_DOWNSTREAM_MTLS_ENFORCEMENT, "reject_connection"},
    {OPT_LISTENER_CODEC_TYPE, "auto"},
    {OPT_LISTENER_CODEC_TYPE, "http1"},
    {OPT_LISTENER_CODEC_TYPE, "http2"},
    {OPT_LISTENER_CODEC_TYPE, "http3", true},
    {OPT_ROUTE_REDIRECT_SCHEME_REDIRECT, "http"},
    {OPT_ROUTE_REDIRECT_SCHEME_REDIRECT, "https"},
    {OPT_CLUSTER_LOAD_BALANCING_POLICY, "round_robin"},
    {OPT_CLUSTER_LOAD_BALANCING_POLICY, "least_request"},
    {OPT_CLUSTER_LOAD_BALANCING_POLICY, "random"},
    {OPT_CLUSTER_LOAD_BALANCING_POLICY, "ring_hash"},
    {OPT_CLUSTER_LOAD_BALANCING_POLICY, "maglev"},
    {OPT_CLUSTER_LOAD_BALANCING_POLICY, "host"},
};

// Empty: fine.
std::string word_fault(int id, const std::string& value) {
  std::string choices;
  bool has_words = false;
  for (const Word& word : kWords) {
    if (word.id != id) continue;
    has_words = true;
    if (word.word == value) {
      return word.later ? "not supported yet: " + value : "";
    }
    choices += (choices.empty() ? "" : ", ") + std::string(word.word);
  }
  return has_words ? "must be one of " + choices + ", not '" + value.substr(0, 40) + "'" : "";
}

constexpr size_t kMaxString = 1024 * 1024;  // PEM bundles are the largest
constexpr size_t kMaxStrings = 10'000;

std::string takes(const OptionRow& row) {
  static constexpr const char* kTakes[] = {"takes 0 or 1", "takes a number", "takes milliseconds", "takes a string",
                                           "takes strings"};
  return kTakes[static_cast<size_t>(row.type)];
}

std::string assign(const OptionRow& row, Value<bool>& value, int64_t number) {
  if (number != 0 && number != 1) return takes(row);
  value.value = number == 1;
  return "";
}
std::string assign(const OptionRow& row, Value<int64_t>& value, int64_t number) {
  if (number < row.min || number > row.max) return range_fault(row, number);
  value.value = number;
  return "";
}
template <class T>
std::string assign(const OptionRow& row, Value<T>&, int64_t) {
  return takes(row);
}

std::string string_fault(const std::string& text) {
  if (text.size() > kMaxString) return "is longer than " + std::to_string(kMaxString) + " bytes";
  if (text.find('\0') != std::string::npos) return "contains a NUL byte";
  return "";
}
std::string assign(const OptionRow& row, Value<std::string>& value, std::string text) {
  // Envoy's and Pomerium's older files write ROUND_ROBIN.
  if (row.id == OPT_CLUSTER_LOAD_BALANCING_POLICY) {
    for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  std::string fault = string_fault(text);
  if (fault.empty()) fault = word_fault(row.id, text);
  if (fault.empty()) value.value = std::move(text);
  return fault;
}
std::string assign(const OptionRow&, Value<std::vector<Text>>& value, Text text) {
  if (value.value.size() >= kMaxStrings) return "has more than " + std::to_string(kMaxStrings) + " values";
  std::string fault = string_fault(text.value);
  if (fault.empty()) value.value.push_back(std::move(text));
  return fault;
}

#define CARDEA_VISIT(id, name, type, member, ...) \
  case id:                                        \
    fn(draft.member);                             \
    return true;
template <class F>
bool visit(ConfigDraft& draft, int id, F&& fn) {
  switch (id) {
#define GLOBAL_OPTION CARDEA_VISIT
#include "config/options.def"
    default:
      return false;
  }
}
template <class F>
bool visit(ListenerDraft& draft, int id, F&& fn) {
  switch (id) {
#define LISTENER_OPTION CARDEA_VISIT
#include "config/options.def"
    default:
      return false;
  }
}
template <class F>
bool visit(RouteDraft& draft, int id, F&& fn) {
  switch (id) {
#define ROUTE_OPTION CARDEA_VISIT
#include "config/options.def"
    default:
      return false;
  }
}
template <class F>
bool visit(ClusterDraft& draft, int id, F&& fn) {
  switch (id) {
#define CLUSTER_OPTION CARDEA_VISIT
#include "config/options.def"
    default:
      return false;
  }
}

template <class D>
Result<void> checked(D& draft, int id, std::string (*set)(D&, const OptionRow&, void*), void* arg) {
  if (draft.sealed) return Error{kEsealed, "the object is frozen"};
  const OptionRow* row = option_by_id(id);
  if (!row || !visit(draft, id, [](auto&) {})) {
    return Error{kEnotfound, "this object has no option " + std::to_string(id)};
  }
  std::string fault = set(draft, *row, arg);
  if (!fault.empty()) return Error{kEinval, std::string(row->key) + ": " + fault};
  return {};
}

}  // namespace

std::string range_fault(const OptionRow& row, int64_t value) {
  auto text = [&](int64_t n) { return row.type == Type::duration_ms ? duration_text(n) : std::to_string(n); };
  return "must be between " + text(row.min) + " and " + text(row.max) + ", not " + text(value);
}

std::string duration_text(int64_t ms) {
  if (ms == 0) return "0s";
  if (ms < 0 || ms % 1000 != 0) return std::to_string(ms) + "ms";
  if (ms % 3'600'000 == 0) return std::to_string(ms / 3'600'000) + "h";
  if (ms % 60'000 == 0) return std::to_string(ms / 60'000) + "m";
  return std::to_string(ms / 1000) + "s";
}

template <class D>
std::string assign_number(D& draft, const OptionRow& row, int64_t value, yaml::Mark mark) {
  std::string fault;
  visit(draft, row.id, [&](auto& member) {
    fault = assign(row, member, value);
    if (!fault.empty()) return;
    member.set = true;
    member.bad = false;
    member.mark = mark;
  });
  return fault;
}

template <class D>
std::string assign_text(D& draft, const OptionRow& row, std::string value, yaml::Mark mark) {
  std::string fault;
  visit(draft, row.id, [&](auto& member) {
    using Member = std::decay_t<decltype(member)>;
    if constexpr (std::is_same_v<Member, Value<std::string>>) {
      fault = assign(row, member, std::move(value));
    } else if constexpr (std::is_same_v<Member, Value<std::vector<Text>>>) {
      fault = assign(row, member, Text{std::move(value), mark});
    } else {
      fault = takes(row);
    }
    if (!fault.empty()) return;
    if (!member.set) member.mark = mark;
    member.set = true;
  });
  return fault;
}

template <class D>
std::string assign_tree(D& draft, const OptionRow& row, yaml::Node tree) {
  const yaml::Mark mark = tree.mark;
  std::string fault = assign_text(draft, row, yaml::to_json(tree), mark);
  if (!fault.empty()) return fault;
  visit(draft, row.id, [&](auto& member) {
    if constexpr (std::is_same_v<std::decay_t<decltype(member)>, Value<std::vector<Text>>>) {
      member.value.back().tree = std::make_shared<const yaml::Node>(std::move(tree));
    }
  });
  return "";
}

template <class D>
void touch(D& draft, const OptionRow& row, yaml::Mark mark, bool bad) {
  visit(draft, row.id, [&](auto& member) {
    member.set = true;
    member.bad = member.bad || bad;
    if (member.mark.line == 0) member.mark = mark;
  });
}

template <class D>
Result<void> set_int(D& draft, int id, int64_t value) {
  return checked<D>(
      draft, id,
      [](D& d, const OptionRow& row, void* arg) { return assign_number(d, row, *static_cast<int64_t*>(arg), {}); },
      &value);
}

template <class D>
Result<void> set_str(D& draft, int id, std::string value) {
  return checked<D>(
      draft, id,
      [](D& d, const OptionRow& row, void* arg) {
        return assign_text(d, row, std::move(*static_cast<std::string*>(arg)), {});
      },
      &value);
}

#define CARDEA_SETTERS(D)                                                             \
  template Result<void> set_int<D>(D&, int, int64_t);                                 \
  template Result<void> set_str<D>(D&, int, std::string);                             \
  template std::string assign_number<D>(D&, const OptionRow&, int64_t, yaml::Mark);   \
  template std::string assign_text<D>(D&, const OptionRow&, std::string, yaml::Mark); \
  template std::string assign_tree<D>(D&, const OptionRow&, yaml::Node);              \
  template void touch<D>(D&, const OptionRow&, yaml::Mark, bool);
CARDEA_SETTERS(ConfigDraft)
CARDEA_SETTERS(ListenerDraft)
CARDEA_SETTERS(RouteDraft)
CARDEA_SETTERS(ClusterDraft)

Result<void> TlsDraft::add(std::string certificate, std::string private_key) {
  if (sealed) return Error{kEsealed, "the object is frozen"};
  if (pairs.size() >= kMaxStrings) return Error{kEinval, "too many certificates"};
  for (const std::string* text : {&certificate, &private_key}) {
    std::string fault = text->empty() ? "is empty" : string_fault(*text);
    if (!fault.empty()) return Error{kEinval, (text == &certificate ? "certificate: " : "key: ") + fault};
  }
  std::string path = "certificates[" + std::to_string(pairs.size()) + "]";
  pairs.push_back(
      {Source{std::move(certificate), {}, path + ".cert"}, Source{std::move(private_key), {}, path + ".key"}});
  return {};
}

void seal(ConfigDraft& draft) {
  draft.sealed = true;
  for (auto& listener : draft.listeners) {
    listener->sealed = true;
    if (listener->tls) listener->tls->sealed = true;
  }
  for (auto& route : draft.routes) {
    route->sealed = true;
    if (route->cluster) route->cluster->sealed = true;
    if (route->policy) route->policy->sealed = true;
  }
}

const OptionRow* option_by_id(int id) {
  auto found = std::lower_bound(std::begin(kRows), std::end(kRows), id,
                                [](const OptionRow& row, int wanted) { return row.id < wanted; });
  return found != std::end(kRows) && found->id == id ? found : nullptr;
}

const OptionRow* option_by_key(Owner owner, Bytes key) {
  for (const OptionRow& row : kRows) {
    if (row.owner == owner && key == row.key) return &row;
  }
  return nullptr;
}

const OptionRow* option_next(const OptionRow* previous) {
  const OptionRow* next = previous ? previous + 1 : std::begin(kRows);
  return next == std::end(kRows) ? nullptr : next;
}

const char* origin_name(Origin origin) {
  return origin == Origin::route ? "route" : origin == Origin::global ? "global" : "default";
}

int64_t Snapshot::option(int id) const {
  auto found = std::lower_bound(globals.begin(), globals.end(), id,
                                [](const std::pair<int, int64_t>& row, int wanted) { return row.first < wanted; });
  return found != globals.end() && found->first == id ? found->second : -1;
}

}  // namespace cardea::config
