// The configuration: drafts that a host or a file fills in, and the frozen Snapshot that workers read.
//
// A draft is mutable and checked value by value; freeze() checks everything at once, loads keys and certificates,
// compiles matchers and policies, and reports every fault. options.def has one row per scalar option: the
// drafts' members, the setters by number, the file's keys, ranges, defaults and the reference come from it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cluster/cluster.h"
#include "identity/identity.h"
#include "limit/terms.h"
#include "policy/policy.h"
#include "route/affinity.h"
#include "route/retry.h"
#include "route/route.h"
#include "tls/tls.h"
#include "token/token.h"
#include "yaml/yaml.h"

namespace cardea::config {

// ---- frozen ---------------------------------------------------------------------------------------

enum class Codec : uint8_t { automatic, http1, http2 };

struct Listener {
  std::string name;  // as configured: "127.0.0.1:8443"
  net::Address address;
  Codec codec = Codec::automatic;
  std::shared_ptr<const tls::ServerContext> tls;  // null: plain
  tls::ServerOptions tls_options;                 // what it was made from
  bool proxy_protocol = false;                    // a PROXY v1 or v2 header must come first
  bool redirect_to_https = false;                 // http_redirect_addr: answers every request with 301 to https
  bool reuse_port = false;                        // with other programs
  uint32_t unix_mode = 0666;
  uint64_t certificate_generation = 0;  // of the snapshot that brought `tls`; set by workers
};

// Where a token's keys come from when they are fetched.
struct RemoteKeys {
  std::string url;   // for messages
  std::string path;  // with query: what is asked for
  std::string authority;
  std::shared_ptr<const cluster::ClusterConfig> cluster;  // who is asked
  Millis cache_duration = 600'000;                        // asked again after this; Envoy's default
  bool operator==(const RemoteKeys& o) const {
    return url == o.url && cache_duration == o.cache_duration && cluster->same(*o.cluster);
  }
};

// jwt_providers: who vouches for tokens, and where in a request they are.
struct TokenProvider {
  std::string name;
  token::Rules rules;
  token::KeySetPtr keys;  // local_jwks; null with `remote`
  std::optional<RemoteKeys> remote;
  struct Header {
    std::string name;          // lower case
    std::string value_prefix;  // "Bearer "
    bool operator==(const Header&) const = default;
  };
  std::vector<Header> from_headers;       // without any from_*: Authorization with "Bearer "
  std::vector<std::string> from_cookies;  // names
};

// A header for services that carries a claim.
struct ClaimHeader {
  std::string name;   // as sent: "X-Pomerium-Claim-Email", "X-Email"
  std::string claim;  // normalised path
  bool operator==(const ClaimHeader&) const = default;
};

// downstream_mtls: what happens to clients without a trusted certificate.
enum class Enforcement : uint8_t { none, policy, policy_with_default_deny, reject_connection };

// Where a setting's value in force was stated; built_in: nowhere.
enum class Origin : uint8_t { built_in, global, route };
const char* origin_name(Origin origin);  // "default", "global", "route"

struct Route {
  std::string name;
  uint32_t index = 0;
  route::Match match;
  std::optional<route::Redirect> redirect;
  std::optional<route::DirectResponse> response;
  bool served_by_host = false;                            // the host answers, through its hooks
  std::shared_ptr<const cluster::ClusterConfig> cluster;  // null with redirect, response and served_by_host
  std::shared_ptr<const policy::Policy> policy;           // never null
  route::Rewrite rewrite;
  std::vector<route::HeaderValue> set_request_headers;
  std::vector<std::string> remove_request_headers;
  std::vector<route::HeaderValue> set_response_headers;  // the global ones merged in
  std::vector<route::RewriteResponseHeader> rewrite_response_headers;
  bool pass_identity_headers = false;                    // the route's own or the global one
  std::vector<ClaimHeader> claim_headers;                // jwt_claims_headers: the route's own or the global ones
  std::shared_ptr<const tls::ClientTrust> client_trust;  // tls_downstream_client_ca; null: the snapshot's
  bool allow_websockets = false;
  std::vector<std::string> upgrades;  // allow_upgrades, allow_spdy: tokens that may be asked for
  bool takes_upgrade(Bytes token) const {
    for (const std::string& u : upgrades) {
      if (http::equal_no_case(u, token)) return true;
    }
    return false;
  }
  bool tcp = false;                 // from tcp+https: taken by CONNECT alone, `cluster` has tcp endpoints
  bool show_error_details = false;  // refusals name the reasons
  Millis timeout = 30'000;          // from the request's end to the response's end; 0 off
  Millis idle_timeout = 300'000;    // no byte either way; 0 off
  Millis max_stream_duration = 0;   // 0 off
  struct Origins {
    Origin timeout{}, idle_timeout{}, max_stream_duration{};
  } origins;
  uint32_t buffer_limit = 32 * 1024;
  std::optional<route::RetryPolicy> retry;     // nullopt: only what cannot be told from a first try
  std::vector<route::HashPolicy> hash_policy;  // for ring_hash and maglev
  std::vector<limit::Terms> shares;            // limits: its own, one of each `by` at most
};

struct Snapshot {
  uint64_t generation = 0;
  std::vector<Listener> listeners;
  std::vector<Route> routes;                           // in file order
  std::unique_ptr<const route::Table> table;           // routes that take requests
  std::unique_ptr<const route::Table> connect_table;   // routes that take CONNECT; null: none
  std::vector<uint32_t> table_routes, connect_routes;  // what a table's indexes are in `routes`
  http::CodecLimits limits;
  std::vector<limit::Terms> shares;  // limits: one of each `by` at most; that by route is for each of them
  http::PathOptions path;
  route::ForwardingOptions forwarding;
  Millis timeout_read = 30'000;   // the whole request; 0 off
  Millis timeout_write = 0;       // the whole exchange; 0 off
  Millis timeout_idle = 300'000;  // a downstream connection without exchange; 0 off
  Millis request_headers_timeout = 10'000, tls_handshake_timeout = 10'000;
  Millis authorize_timeout = 10'000;
  Millis reauthorize_interval = 60'000;         // longest time between two judgements of a live exchange
  bool authorize_failure_mode_allow = false;    // what a hook that does not answer means for a new request
  bool reauthorize_failure_mode_allow = false;  // ... and for a live exchange that it had allowed
  std::vector<std::shared_ptr<const TokenProvider>> token_providers;  // in file order
  std::vector<std::string> identity_header_names;  // of every claim header of any route, lower case: clients' copies go
  std::string sign_in_url;                         // empty: 401
  token::SignerPtr signer;                         // null: no assertion
  std::shared_ptr<const tls::ClientTrust> client_trust;  // null: no downstream_mtls
  Enforcement enforcement = Enforcement::none;
  std::optional<Listener> admin, metrics;  // admin_address, metrics_address
  Millis max_connection_duration = 0;
  Millis drain_timeout = 600'000;
  bool drain_gradual = true;  // drain_strategy
  struct Origins {
    Origin timeout_read{}, timeout_write{}, authorize_timeout{}, max_connection_duration{}, drain_timeout{};
  } origins;
  uint32_t max_connections = 50'000;
  uint32_t workers = 1;
  std::string access_log;                // path; empty: standard output of the demo; "off": none
  Millis access_log_interval = 600'000;  // between two records of a long-lived stream; 0 off
  std::string base_dir;                  // what relative paths started from
  std::vector<std::string> files;        // every file that was read: what to watch
  int64_t option(int id) const;          // effective integer value of a global option, for the ABI's reader
  std::vector<std::pair<int, int64_t>> globals;
};
using SnapshotPtr = std::shared_ptr<const Snapshot>;

// ---- options --------------------------------------------------------------------------------------

enum class Owner : uint8_t { global, listener, route, cluster };
enum class Type : uint8_t { boolean, integer, duration_ms, string, strings };  // strings: set appends

struct OptionRow {
  int id;            // also in cardea.h
  const char* name;  // "GLOBAL_TIMEOUT_READ": CARDEA_OPT_ and this is its macro
  Owner owner;
  Type type;
  const char* key;        // as in the file
  int64_t default_value;  // of integers, booleans, durations; -1: inherited
  int64_t min, max;
  const char* doc;
};
const OptionRow* option_by_id(int id);
const OptionRow* option_by_key(Owner owner, Bytes key);
const OptionRow* option_next(const OptionRow* previous);  // nullptr: the first

constexpr int64_t kYear = 365LL * 24 * 3600 * 1000;  // the longest duration

enum OptionId : int {
#define GLOBAL_OPTION(id, name, ...) OPT_GLOBAL_##name = id,
#define LISTENER_OPTION(id, name, ...) OPT_LISTENER_##name = id,
#define ROUTE_OPTION(id, name, ...) OPT_ROUTE_##name = id,
#define CLUSTER_OPTION(id, name, ...) OPT_CLUSTER_##name = id,
#include "config/options.def"
};

// ---- drafts ---------------------------------------------------------------------------------------
//
// Owned by shared_ptr, used by one thread at a time. Attaching one to another shares it. What a file gave has
// marks; what the ABI gave has none, and its faults name the object: "route 'name'.prefix".

struct Text {
  std::string value;
  yaml::Mark mark;
  std::shared_ptr<const yaml::Node> tree;  // what a file gave where an object is meant; null: `value` is its JSON
};

// An option's value and where it came from.
template <class T>
struct Value {
  T value{};
  yaml::Mark mark;
  bool set = false;
  bool bad = false;  // a fault has been reported: no more are, and the value means nothing
};

template <Type type>
struct Stored {
  using Kind = int64_t;
};
template <>
struct Stored<Type::boolean> {
  using Kind = bool;
};
template <>
struct Stored<Type::string> {
  using Kind = std::string;
};
template <>
struct Stored<Type::strings> {
  using Kind = std::vector<Text>;
};
template <Type type>
using OptionValue = Value<typename Stored<type>::Kind>;
template <Type type>
OptionValue<type> initial(int64_t value) {
  if constexpr (type == Type::string || type == Type::strings) {
    return {};
  } else {
    return {static_cast<typename Stored<type>::Kind>(value), {}, false, false};
  }
}
#define CARDEA_DRAFT_MEMBER(id, name, type, member, key, default_value, min, max, doc) \
  OptionValue<Type::type> member = initial<Type::type>(default_value);

// What every draft has.
struct Draft {
  yaml::Mark mark;
  std::string key;      // path in the file ("routes[2]"); empty: not from a file
  bool sealed = false;  // setters fail with kEsealed
};

// PEM text, base64 of it, or a path.
struct Source {
  std::string value;
  yaml::Mark mark;
  std::string key;         // "certificates[0].cert"
  bool only_path = false;  // a key that ends in _file
};

// What a listener presents. Empty: a certificate of our own making.
struct TlsDraft : Draft {
  struct Pair {
    Source certificate, key;
  };
  std::vector<Pair> pairs;
  // Each argument is PEM text, base64 of it or a path. Fails with kEsealed or kEinval; content is read by freeze().
  Result<void> add(std::string certificate, std::string key);
};

struct ListenerDraft : Draft {
#define LISTENER_OPTION CARDEA_DRAFT_MEMBER
#include "config/options.def"
  std::shared_ptr<TlsDraft> tls;  // null: plain
};

struct ClusterDraft : Draft {
#define CLUSTER_OPTION CARDEA_DRAFT_MEMBER
#include "config/options.def"
};

// A policy's text as a tree. Immutable once made.
struct PolicyDraft : Draft {
  yaml::Node node;
  bool bad = false;  // from a file and not even a mapping or a list; the fault has been reported
};
// From YAML or JSON text; null with faults when it is not a valid policy.
std::shared_ptr<PolicyDraft> parse_policy(Bytes text, yaml::Faults& faults);

struct RouteDraft : Draft {
#define ROUTE_OPTION CARDEA_DRAFT_MEMBER
#include "config/options.def"
  Value<bool> redirect, response;         // of a file: the mapping occurs, though it may be empty
  std::shared_ptr<ClusterDraft> cluster;  // null with redirect and response
  std::shared_ptr<PolicyDraft> policy;    // null: closed, unless allow_public_unauthenticated_access
};

struct ConfigDraft : Draft {
#define GLOBAL_OPTION CARDEA_DRAFT_MEMBER
#include "config/options.def"
  std::vector<std::shared_ptr<ListenerDraft>> listeners;
  std::vector<std::shared_ptr<RouteDraft>> routes;  // in order of precedence
  std::string base_dir;                             // what relative paths start from; empty: the working directory
};
#undef CARDEA_DRAFT_MEMBER

// By number, for ConfigDraft, ListenerDraft, RouteDraft and ClusterDraft. kEnotfound: the object has no such option;
// kEinval: wrong type or range; kEsealed. Booleans take 0 and 1, durations milliseconds.
template <class D>
Result<void> set_int(D& draft, int id, int64_t value);
template <class D>
Result<void> set_str(D& draft, int id, std::string value);  // strings: appends

// Setters of this draft and of everything attached to it fail from now on.
void seal(ConfigDraft& draft);

// The file of Pomerium's keys and ours: YAML, so JSON too. Null when the text is not a mapping. Otherwise a draft
// even after faults: freeze it all the same to hear of every fault at once.
std::shared_ptr<ConfigDraft> load(Bytes text, const std::string& base_dir, yaml::Faults& faults);

struct FreezeOptions {
  uint64_t generation = 1;
};
// Null when `faults` is not empty in the end. Reads the files that the draft names; changes nothing.
SnapshotPtr freeze(const ConfigDraft& draft, const FreezeOptions& options, yaml::Faults& faults);

}  // namespace cardea::config
