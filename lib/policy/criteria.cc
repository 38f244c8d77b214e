// The criteria of the policy language, one row each.
#include "policy/criteria.h"

#include "policy/spelling.h"

namespace cardea::policy {
namespace {

// ---- what they read -------------------------------------------------------------------------------

template <class Matcher>
bool read_matcher(const OperandText& text, Operand& operand, yaml::Faults& faults) {
  auto matcher = Matcher::read(text.value, text.key, faults);
  if (!matcher) return false;
  operand = std::move(*matcher);
  return true;
}

// Pomerium ignores these operands, `false` too; who writes `accept: false` does not mean that.
bool read_nothing(const OperandText& text, Operand&, yaml::Faults& faults) {
  const yaml::Node& value = text.value;
  if (value.kind != yaml::Node::Kind::scalar || value.quoted) return true;
  for (Bytes off : {"false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF", "n", "N"}) {
    if (value.scalar != off) continue;
    faults.add(value.mark, text.key, "cannot be turned off here: leave the criterion out, or put it under \"not\"");
    return false;
  }
  return true;
}

bool read_claim(const OperandText& text, Operand& operand, yaml::Faults& faults) {
  constexpr size_t kMaxPath = 1024;
  std::string path = identity::normal_claim_path(text.path);
  if (path.empty() || path.size() > kMaxPath) {
    faults.add(text.name.mark, text.key, "must name a claim, as in claim/department or claim/address/country");
    return false;
  }
  auto matcher = ListMatcher::read(text.value, text.key, faults);
  if (!matcher) return false;
  matcher->path = std::move(path);
  operand = std::move(*matcher);
  return true;
}

// ---- what they look at ----------------------------------------------------------------------------

template <class T>
const T& as(const Operand& operand) {
  return *std::get_if<T>(&operand);
}

template <Bytes (*Of)(const Facts&)>
bool matches(const Facts& facts, const Operand& operand) {
  return as<StringMatcher>(operand).matches(Of(facts));
}

Bytes user(const Facts& f) {
  return f.identity->user;
}
Bytes email(const Facts& f) {
  return f.identity->email;
}
Bytes method(const Facts& f) {
  return f.method;
}
Bytes path(const Facts& f) {
  return f.path;
}

// Without an address there is no domain that could be "not example.com".
bool domain_matches(const Facts& f, const Operand& operand) {
  const Bytes domain = f.identity->domain();
  return !domain.empty() && as<StringMatcher>(operand).matches(domain);
}

// A claim that there is not has no values: `exclude` holds.
bool claim_matches(const Facts& f, const Operand& operand) {
  static const std::vector<std::string> kNoValues;
  const auto& matcher = as<ListMatcher>(operand);
  const identity::Claim* claim = f.identity->claim(matcher.path);
  return matcher.matches(claim != nullptr ? claim->values : kNoValues);
}

bool groups_match(const Facts& f, const Operand& operand) {
  return as<ListMatcher>(operand).matches(f.identity->groups);
}

bool source_ip_matches(const Facts& f, const Operand& operand) {
  return f.source_ip_known && as<Networks>(operand).contains(f.source_ip);
}

bool certificate_matches(const Facts& f, const Operand& operand) {
  return f.certificate != nullptr && as<CertificateMatcher>(operand).matches(*f.certificate);
}

bool certificate_is_invalid(const Facts& f, const Operand&) {
  return f.certificate == nullptr || !f.certificate_trusted;
}

Reason certificate_reason(const Facts& f) {
  if (f.certificate == nullptr) return Reason::client_certificate_required;
  return f.certificate_trusted ? Reason::client_certificate_ok : Reason::invalid_client_certificate;
}

template <class Window>
bool is_in(const Facts& f, const Operand& operand) {
  return as<Window>(operand).holds(f.now_unix_ms);
}

template <class Window>
int64_t next_change(int64_t now, const Operand& operand) {
  return as<Window>(operand).next_change(now);
}

bool always(const Facts&, const Operand&) {
  return true;
}

// ---- the table ------------------------------------------------------------------------------------

constexpr CriterionRow kCriteria[] = {
    {"accept", read_nothing, always, Reason::accept, Reason::accept},
    {"reject", read_nothing, [](const Facts&, const Operand&) { return false; }, Reason::reject, Reason::reject},
    {"host", [](const OperandText&, Operand&, yaml::Faults&) { return true; },
     [](const Facts& f, const Operand&) { return f.host == Facts::Host::yes; }, Reason::host_ok,
     Reason::host_unauthorized, on_host},
    {"authenticated_user", read_nothing, always, Reason::user_ok, Reason::user_unauthorized, on_identity},
    {"user", read_matcher<StringMatcher>, matches<user>, Reason::user_ok, Reason::user_unauthorized, on_identity},
    {"email", read_matcher<StringMatcher>, matches<email>, Reason::email_ok, Reason::email_unauthorized, on_identity},
    {"domain", read_matcher<StringMatcher>, domain_matches, Reason::domain_ok, Reason::domain_unauthorized,
     on_identity},
    {"claim", read_claim, claim_matches, Reason::claim_ok, Reason::claim_unauthorized, on_identity, true},
    {"groups", read_matcher<ListMatcher>, groups_match, Reason::groups_ok, Reason::groups_unauthorized, on_identity},
    {"http_method", read_matcher<StringMatcher>, matches<method>, Reason::http_method_ok,
     Reason::http_method_unauthorized, on_request},
    {"http_path", read_matcher<StringMatcher>, matches<path>, Reason::http_path_ok, Reason::http_path_unauthorized,
     on_request},
    {"cors_preflight", read_nothing, [](const Facts& f, const Operand&) { return f.cors_preflight; },
     Reason::cors_request, Reason::non_cors_request, on_request},
    {"source_ip", read_matcher<Networks>, source_ip_matches, Reason::source_ip_ok, Reason::source_ip_unauthorized,
     on_request},
    {"client_certificate", read_matcher<CertificateMatcher>, certificate_matches, Reason::client_certificate_ok,
     Reason::client_certificate_unauthorized, on_certificate},
    {"invalid_client_certificate", read_nothing, certificate_is_invalid, Reason::invalid_client_certificate,
     Reason::client_certificate_ok, on_certificate, false, certificate_reason},
    {"date", read_matcher<DateWindow>, is_in<DateWindow>, Reason::date_ok, Reason::date_unauthorized, on_time, false,
     nullptr, next_change<DateWindow>},
    {"day_of_week", read_matcher<Weekdays>, is_in<Weekdays>, Reason::day_of_week_ok, Reason::day_of_week_unauthorized,
     on_time, false, nullptr, next_change<Weekdays>},
    {"time_of_day", read_matcher<TimeWindow>, is_in<TimeWindow>, Reason::time_of_day_ok,
     Reason::time_of_day_unauthorized, on_time, false, nullptr, next_change<TimeWindow>},
    {"device"},
    {"mcp_tool"},
    {"pomerium_routes"},
    {"record"},
    {"ssh_ca"},
    {"ssh_publickey"},
    {"ssh_username"},
    {"ssh_username_matches_claim"},
    {"ssh_username_matches_email"},
};

}  // namespace

std::span<const CriterionRow> criteria() {
  return kCriteria;
}

const CriterionRow* find_criterion(Bytes name) {
  for (const CriterionRow& row : kCriteria) {
    if (row.name == name) return &row;
  }
  return nullptr;
}

}  // namespace cardea::policy
