// Which route does this request take. Built once, read-only after; cost does not grow with the routes.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/base.h"
#include "http/http.h"

namespace cardea::route {

// What a request must look like to take a route (Pomerium: from, prefix, path, regex).
struct Match {
  std::string host;   // lower case; "*.example.com" for one or more labels in front; "*" for any
  uint16_t port = 0;  // 0: any port
  enum class Path : uint8_t { any, prefix, exact, regex } kind = Path::any;
  std::string path;            // prefix: matches on segment boundaries ("/a" takes /a and /a/b, not /ab)
  int64_t regex_priority = 0;  // among the regex routes of one host: higher first, then file order
};

// Among the routes of the best host (exact, then the longest wildcard, then "*"; one with a port before
// one without) the first in file order whose path fits wins; a regex route first moves up to the first regex
// route of the host that its priority outranks. Hosts with fitting name but no fitting path do not fall through
// to a wider host, as in Envoy's virtual hosts. A prefix "/" takes what `any` takes, also "*" and "".
class Table {
 public:
  // Errors name the index of the route: {index, what}. Two routes that match the same are an error.
  struct Fault {
    size_t index;
    std::string what;
    std::optional<size_t> twin = {};  // of two that match the same: the first, and `what` is same_as() of it
  };
  static std::string same_as(size_t other);
  static std::unique_ptr<const Table> build(const std::vector<Match>& routes, std::vector<Fault>& faults);
  virtual ~Table() = default;
  // `host` without port, any case; `path` normalised, without query. Index into `routes`, or -1.
  virtual int match(Bytes host, uint16_t port, Bytes path) const = 0;
  // Whether any route has this host (SNI checks, error pages).
  virtual bool knows_host(Bytes host) const = 0;
};

// A header value with Pomerium's tokens ("${pomerium.jwt}", "$$"; any other dollar sign is itself). Parsed at load;
// an unknown token, a control character, more than 32 tokens or 16 KiB are errors.
class Template {
 public:
  static Result<Template> parse(Bytes text);
  bool is_constant() const { return parts_.size() <= 1 && (parts_.empty() || parts_[0].token.empty()); }
  // `lookup` gives a token's value (may be empty); one that no field can carry counts as empty, and so does a result
  // past 32 KiB. The result lies in `arena` or in the template.
  Bytes expand(Arena& arena, Bytes (*lookup)(void* arg, Bytes token), void* arg) const;
  bool operator==(const Template&) const = default;

 private:
  struct Part {
    std::string text;
    std::string token;
    bool operator==(const Part&) const = default;
  };
  std::vector<Part> parts_;
};

struct HeaderValue {
  std::string name;
  Template value;
  bool operator==(const HeaderValue&) const = default;
};
struct RewriteResponseHeader {  // rewrite_response_headers: replaces a prefix of a value
  std::string header, prefix, value;
  bool operator==(const RewriteResponseHeader&) const = default;
};

struct Redirect {
  bool https_redirect = false;
  std::string scheme, host;
  uint16_t port = 0;
  std::string path;            // replaces the whole path
  std::string prefix_rewrite;  // replaces the matched prefix
  bool has_path = false, has_prefix = false;
  uint16_t status = 301;
  bool strip_query = false;
  bool operator==(const Redirect&) const = default;
};
struct DirectResponse {
  uint16_t status = 200;
  std::string body;
  bool operator==(const DirectResponse&) const = default;
};

// Compiled regular expression (RE2) with a Pomerium-style substitution (\1).
class RegexRewrite {
 public:
  static Result<std::shared_ptr<const RegexRewrite>> make(const std::string& pattern, const std::string& substitution);
  virtual ~RegexRewrite() = default;
  // Every match replaced, as Envoy's regex_rewrite; `subject` itself when nothing matches. Empty past 64 KiB or 256
  // replacements.
  virtual Bytes apply(Bytes subject, Arena& arena) const = 0;
};

// How a request changes on its way up, and its answer on its way down.
struct Rewrite {
  bool has_prefix = false;
  std::string prefix;                                  // prefix_rewrite, or the path of the first `to`
  std::shared_ptr<const RegexRewrite> regex;           // path without query
  std::string host;                                    // host_rewrite
  std::string host_header;                             // host_rewrite_header: take the value of this request header
  std::shared_ptr<const RegexRewrite> host_from_path;  // host_path_regex_rewrite_*
  bool preserve_host = false;
};

// The upstream path: `path` is what matched; the query is kept. Where a prefix is replaced there is exactly one slash
// at the seam ("/a" -> "/" makes "/b" of "/a/b"); an exact or regex route has its whole path replaced. Result in
// `arena` or in the arguments. EMPTY when a regular expression gives what is no path (no slash in front, blanks, a
// fragment, dot segments, too long): the request must not be forwarded.
Bytes rewrite_path(const Rewrite& rewrite, const Match& match, Bytes path, Bytes query, Arena& arena);
// The authority to send: by the rewrite, else `endpoint_authority` (host of `to`), also where a header or a path
// gives something that is no authority.
Bytes rewrite_host(const Rewrite& rewrite, const http::RequestHead& head, Bytes path, Bytes endpoint_authority,
                   Arena& arena);
// The Location of a redirect. `scheme`, `authority`, `path`, `query` are the request's. Without port_redirect the
// request's port is kept unless it was the old scheme's default or the host changes; a default port is left out. A
// path_redirect with a query replaces the request's query too.
Bytes redirect_location(const Redirect& redirect, const Match& match, Bytes scheme, Bytes authority, Bytes path,
                        Bytes query, Arena& arena);

// Forwarding headers (lifecycle 4.9; RFC 7239 8.1): replaces what an untrusted client claims.
struct ForwardingOptions {
  bool skip_xff_append = false;
  uint32_t xff_num_trusted_hops = 0;
  bool operator==(const ForwardingOptions&) const = default;
};
struct ForwardingFacts {
  std::string_view peer_ip;  // of the connection; empty for unix sockets
  bool tls = false;
  Bytes original_authority;  // X-Forwarded-Host when the host is rewritten
  bool host_rewritten = false;
  Bytes request_id;  // ours, or the client's where it may keep it
};
// The client's address as apply_forwarding() will tell it, from a head that it has not touched yet. A view into the
// head or into `peer_ip`.
Bytes client_address(http::RequestHead& head, const ForwardingOptions& options, std::string_view peer_ip);
// Edits head.fields in place. Without trusted hops every X-Forwarded-*, X-Original-URL and X-Rewrite-URL of the
// client goes and X-Forwarded-For is the peer alone; with them lists are kept and appended to, and a single valid
// X-Forwarded-Proto is believed. Always: X-Real-IP is replaced where the client sent one, X-Request-Id is ours,
// Forwarded and X-Forwarded-Client-Cert go, and so do identity headers (x-pomerium-*) and other spellings (`_` for
// `-`) of all of these. Via stays. skip_xff_append adds no peer, so without trusted hops there is no
// X-Forwarded-For. Returns the client's address: the Nth entry from the right of what arrived, or the peer when
// there is none or it is no address (view into the arena).
Bytes apply_forwarding(http::RequestHead& head, const ForwardingOptions& options, const ForwardingFacts& facts);

}  // namespace cardea::route
