// libFuzzer: no text crashes make() or evaluate(); nothing is allowed that no allow rule allows; another deny rule
// never allows; between two changes of time the decision stays. The text ends at the first NUL; what follows chooses
// facts.
#include <cstdint>
#include <cstdlib>

#include "policy/policy.h"

using namespace cardea;

namespace {

void check(bool holds) {
  if (!holds) abort();
}

bool opens(const yaml::Node& node) {
  if (node.find("allow")) return true;
  for (const yaml::Node& rule : node.items) {
    if (rule.find("allow")) return true;
  }
  return false;
}

// The policy with one more rule: {deny: {or: [{accept: ""}]}}.
yaml::Node with_deny(const yaml::Node& node) {
  using Kind = yaml::Node::Kind;
  const auto map = [](const char* name, yaml::Node value) {
    yaml::Node key{Kind::scalar}, whole{Kind::mapping};
    key.scalar = name;
    whole.entries.push_back({std::move(key), std::move(value)});
    return whole;
  };
  yaml::Node list{Kind::sequence}, rules{Kind::sequence};
  list.items.push_back(map("accept", yaml::Node{}));
  if (node.kind == Kind::sequence) {
    rules.items = node.items;
  } else {
    rules.items.push_back(node);
  }
  rules.items.push_back(map("deny", map("or", std::move(list))));
  return rules;
}

// Facts out of bytes; texts are pieces of the same bytes.
class Case {
 public:
  Case(const uint8_t* bytes, size_t size) : bytes_(bytes), size_(size) {
    const uint8_t flags = next();
    facts.host = policy::Facts::Host(flags % 3);
    facts.certificate_trusted = flags & 4;
    facts.cors_preflight = flags & 8;
    facts.source_ip_known = flags & 16;
    for (uint8_t& b : facts.source_ip) b = next();
    for (int i = 0; i < 8; ++i) facts.now_unix_ms = int64_t(uint64_t(facts.now_unix_ms) << 8 | next());
    facts.method = text();
    facts.path = text();
    who_.user = text();
    who_.email = text();
    who_.groups = {std::string(text())};
    who_.claims = {{identity::normal_claim_path(text()), {std::string(text())}}};
    shown_.fingerprint = text();
    shown_.dns = {std::string(text())};
    if (flags & 32) facts.identity = &who_;
    if (flags & 64) facts.certificate = &shown_;
  }
  Case(const Case&) = delete;
  policy::Facts facts;

 private:
  uint8_t next() {
    if (size_ == 0) return 0;
    --size_;
    return *bytes_++;
  }
  Bytes text() {
    const size_t n = std::min<size_t>(next() % 32, size_);
    const Bytes piece(reinterpret_cast<const char*>(bytes_), n);
    bytes_ += n;
    size_ -= n;
    return piece;
  }
  const uint8_t* bytes_;
  size_t size_;
  identity::Identity who_;
  identity::Certificate shown_;
};

void check_decision(const policy::Policy& policy, const policy::Facts& facts, bool may_open) {
  const policy::Decision d = policy.evaluate(facts);
  const policy::Decision again = policy.evaluate(facts);
  check(d.verdict == again.verdict && d.reasons == again.reasons && d.rule == again.rule);
  check(may_open || d.verdict != policy::Verdict::allow);
  check(d.verdict != policy::Verdict::ask_host || (facts.host == policy::Facts::Host::unknown && policy.names_host()));
  check(d.verdict != policy::Verdict::sign_in || facts.identity == nullptr);
  const int64_t change = policy.next_change_ms(facts.now_unix_ms);
  check(change == 0 || change > facts.now_unix_ms);
  check(change == 0 || (policy.depends_on() & policy::on_time));
  policy::Facts later = facts;
  later.now_unix_ms = change == 0 ? facts.now_unix_ms : change - 1;
  check(policy.evaluate(later).verdict == d.verdict);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  const Bytes whole(reinterpret_cast<const char*>(bytes), size);
  const size_t end = std::min(whole.find('\0'), size);
  yaml::Faults faults;
  const auto node = yaml::parse_yaml(whole.substr(0, end), faults);
  if (!node || !faults.empty()) return 0;
  const auto policy = policy::Policy::make(&*node, "policy", {}, faults);
  check((policy != nullptr) == faults.empty());
  if (!policy) {
    faults.text("f");
    return 0;
  }
  const size_t from = std::min(end + 1, size);
  const Case one(bytes + from, size - from);
  check_decision(*policy, one.facts, opens(*node));
  const yaml::Node stricter = with_deny(*node);
  yaml::Faults none;
  const auto denies = policy::Policy::make(&stricter, "policy", {}, none);
  check(denies != nullptr || !none.empty());  // there may be no room for one more
  if (denies) check_decision(*denies, one.facts, false);
  return 0;
}
