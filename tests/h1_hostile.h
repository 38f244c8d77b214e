// Hostile HTTP/1.1 requests as rows: what is refused, by which rule, and what is made of what is taken.
//
// Every row is delivered whole, one byte at a time, and cut in two at every position; the verdict is the same.
#pragma once

#include <gtest/gtest.h>

#include <ostream>
#include <string>
#include <vector>

#include "h1_peer.h"

namespace cardea::http {

using testing::ServerPeer;

struct Row {
  int number;  // of the catalogue of hostile input
  const char* name;
  std::string wire;
  // "400 rule": refused before anything was delivered. "body 400 rule": delivered, then broken, never complete.
  // Anything else: the requests as they were delivered, joined with " | "; a refusal behind them likewise.
  std::string expected;
};

// Collects rows; one call a row compiles much faster than one list of them all.
struct Rows {
  std::vector<Row> rows;
  [[gnu::noinline]] void operator()(int number, const char* name, const std::string& wire, const char* expected) {
    rows.push_back({number, name, wire, expected});
  }
  [[gnu::noinline]] void operator()(int number, const char* name, const std::string& wire,
                                    const std::string& expected) {
    rows.push_back({number, name, wire, expected});
  }
};

inline std::ostream& operator<<(std::ostream& o, const Row& r) {
  return o << r.number << " " << r.name;
}

inline std::string name_of(const ::testing::TestParamInfo<Row>& p) {
  std::string s = "n" + std::to_string(p.param.number) + "_" + std::to_string(p.index) + "_";
  for (const char* c = p.param.name; *c; ++c) s += isalnum(*c) ? *c : '_';
  return s;
}

inline void join(std::string& s, const std::string& part) {
  s += (s.empty() ? "" : " | ") + part;
}

struct Seen {
  std::string verdict;
  bool closed = false;
  std::string wire;
};

// One connection that gets `pieces`, whose host answers each complete request with 200.
inline Seen serve(const std::vector<Bytes>& pieces, CodecLimits limits = {}) {
  ServerPeer peer(limits);
  peer.on_ended = [&](ServerPeer::Request& r) { peer.answer(r, 200, "ok"); };
  for (Bytes p : pieces) peer.receive(p);
  Seen seen;
  for (ServerPeer::Request& r : peer.requests) {
    EXPECT_LE(r.ends + r.resets, 1);
    if (r.resets) {
      EXPECT_EQ(r.ends, 0);
      join(seen.verdict, "body " + r.reset_text());
    } else {
      join(seen.verdict, (r.ends ? "" : "unfinished ") + r.canonical());
    }
  }
  const bool reset = !peer.requests.empty() && peer.requests.back().resets;
  for (const std::string& v : peer.refused) {
    if (reset) {
      EXPECT_EQ("body " + v, "body " + peer.requests.back().reset_text()) << "the client hears what was recorded";
    } else {
      join(seen.verdict, v);
    }
  }
  seen.closed = peer.closes > 0;
  EXPECT_LE(peer.closes, 1);
  seen.wire = peer.out.wire;
  return seen;
}

inline std::vector<Bytes> bytewise(Bytes s) {
  std::vector<Bytes> v;
  for (size_t i = 0; i < s.size(); ++i) v.push_back(s.substr(i, 1));
  return v;
}

// Cuts of long inputs are taken from all over them; of short ones, all.
inline size_t stride(size_t n) {
  return n <= 2048 ? 1 : n / 97;
}

// Each file instantiates it with its rows; what is expected of them is in h1_hostile_framing_test.cc.
class Requests : public ::testing::TestWithParam<Row> {};

[[gnu::noinline]] inline std::string get(const std::string& fields) {
  return "GET / HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n";
}
[[gnu::noinline]] inline std::string post(const std::string& fields, const std::string& body) {
  return "POST / HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n" + body;
}
[[gnu::noinline]] inline std::string chunked(const std::string& body) {
  return post("Transfer-Encoding: chunked\r\n", body);
}
[[gnu::noinline]] inline std::string line(const std::string& request_line) {
  return request_line + "\r\nHost: a\r\n\r\n";
}
[[gnu::noinline]] inline std::string repeat(const std::string& s, int n) {
  std::string r;
  for (int i = 0; i < n; ++i) r += s;
  return r;
}
inline const std::string kNul(1, '\0');

}  // namespace cardea::http
