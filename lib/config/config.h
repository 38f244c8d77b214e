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
#include "policy/policy.h"
#include "route/route.h"
#include "tls/tls.h"
#include "yaml/yaml.h"

namespace cardea::config {

// ---- frozen ---------------------------------------------------------------------------------------

enum class Codec : uint8_t { automatic, http1, http2 };

struct Listener {
  std::string name;                // as configured: "127.0.0.1:8443"
  net::Address address;
  Codec codec = Codec::automatic;
  std::shared_ptr<const tls::ServerContext> tls;  // null: plain
  tls::ServerOptions tls_options;  // what it was made from
  bool proxy_protocol = false;     // a PROXY v1 or v2 header must come first
  bool redirect_to_https = false;  // http_redirect_addr: answers every request with 301 to https
  uint32_t unix_mode = 0666;
};

struct Route {
  std::string name;
  uint32_t index = 0;
  route::Match match;
  std::optional<route::Redirect> redirect;
  std::optional<route::DirectResponse> response;
  std::shared_ptr<const cluster::ClusterConfig> cluster;  // null with redirect or response
  std::shared_ptr<const policy::Policy> policy;           // never null
  route::Rewrite rewrite;
  std::vector<route::HeaderValue> set_request_headers;
  std::vector<std::string> remove_request_headers;
  std::vector<route::HeaderValue> set_response_headers;   // the global ones merged in
  std::vector<route::RewriteResponseHeader> rewrite_response_headers;
  Millis timeout = 30'000;         // from the request's end to the response's end; 0 off
  Millis idle_timeout = 300'000;   // no byte either way; 0 off
  Millis max_stream_duration = 0;  // 0 off
  uint32_t buffer_limit = 32 * 1024;
};

struct Snapshot {
  uint64_t generation = 0;
  std::vector<Listener> listeners;
  std::vector<Route> routes;       // in file order
  std::unique_ptr<const route::Table> table;
  http::CodecLimits limits;
  http::PathOptions path;
  route::ForwardingOptions forwarding;
  Millis timeout_read = 30'000;    // the whole request; 0 off
  Millis timeout_write = 0;        // the whole exchange; 0 off
  Millis timeout_idle = 300'000;   // a downstream connection without exchange; 0 off
  Millis request_headers_timeout = 10'000, tls_handshake_timeout = 10'000;
  Millis authorize_timeout = 10'000;
  Millis max_connection_duration = 0;
  Millis drain_timeout = 600'000;
  uint32_t max_connections = 50'000;
  uint32_t workers = 1;
  std::string access_log;          // path; empty: standard output of the demo; "off": none
  std::vector<std::string> files;  // every file that was read: what to watch
  int64_t option(int id) const;    // effective integer value of a global option, for the ABI's reader
  std::vector<std::pair<int, int64_t>> globals;
};
using SnapshotPtr = std::shared_ptr<const Snapshot>;

// ---- options --------------------------------------------------------------------------------------

enum class Owner : uint8_t { global, listener, route, cluster };
enum class Type : uint8_t { boolean, integer, duration_ms, string, strings };  // strings: set appends

struct OptionRow {
  int id;                 // also in cardea.h
  Owner owner;
  Type type;
  const char* key;        // as in the file
  int64_t default_value;  // of integers, booleans, durations
  int64_t min, max;
  const char* doc;
};
const OptionRow* option_by_id(int id);
const OptionRow* option_by_key(Owner owner, Bytes key);
const OptionRow* option_next(const OptionRow* previous);  // nullptr: the first

}  // namespace cardea::config
