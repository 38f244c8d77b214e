// What sockets, listeners and lookups tell their owner, written down for a test.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "net/net.h"

namespace cardea::net {

struct Recorder final : StreamEvents {
  void on_data(char* data, size_t n) override {
    bytes.append(data, n);
    largest = std::max(largest, n);
    if (then) then();
  }
  void on_eof() override { ++eofs; }
  void on_drained() override { ++drained; }
  void on_error(const StreamError& e) override {
    ++errors;
    error = e.code;
    text = e.text;
  }
  std::string bytes, text;
  size_t largest = 0;
  int eofs = 0, drained = 0, errors = 0, error = 0;
  std::function<void()> then;
};

struct Acceptor final : AcceptEvents {
  void on_accept(std::unique_ptr<Stream> stream) override {
    streams.push_back(std::move(stream));
    if (then) then();
  }
  void on_accept_error(int e) override { errors.push_back(e); }
  std::vector<std::unique_ptr<Stream>> streams;
  std::vector<int> errors;
  std::function<void()> then;
};

struct Connector final : ConnectEvents {
  void on_connected(std::unique_ptr<Stream> s) override {
    stream = std::move(s);
    connecting.reset();
  }
  void on_connect_failed(int e) override {
    error = e;
    connecting.reset();
  }
  std::unique_ptr<Connecting> connecting;
  std::unique_ptr<Stream> stream;
  int error = 0;
};

inline void send_text(Stream& stream, Bytes text) {
  const Slice slice{text.data(), text.size()};
  stream.write(&slice, 1);
}

struct Resolution final : ResolveEvents {
  void on_resolved(Resolved r) override {
    ++calls;
    for (auto& a : r.addresses) {
      EXPECT_EQ(a.port(), 0);
      text += (text.empty() ? "" : " ") + a.ip_text();
    }
    ttl = r.ttl;
    resolving.reset();
  }
  void on_resolve_failed(int s, const char* words) override {
    ++calls;
    status = s;
    text = words;
    resolving.reset();
  }
  std::unique_ptr<Resolving> resolving;
  std::string text;
  Millis ttl = 0;
  int status = 0, calls = 0;
};

struct SrvResolution final : SrvEvents {
  void on_srv(ResolvedSrv r) override {
    ++calls;
    for (auto& s : r.records) {
      text += (text.empty() ? "" : " ") + std::to_string(s.priority) + "/" + std::to_string(s.weight) + "/" + s.target +
              ":" + std::to_string(s.port);
    }
    ttl = r.ttl;
    resolving.reset();
  }
  void on_resolve_failed(int s, const char* words) override {
    ++calls;
    status = s;
    text = words;
    resolving.reset();
  }
  std::unique_ptr<Resolving> resolving;
  std::string text;
  Millis ttl = 0;
  int status = 0, calls = 0;
};

// c-ares' numbers. It tells SERVFAIL from every server as "could not contact DNS servers".
inline constexpr int kNoData = 1, kNoServer = 11, kNotFound = 4, kBadName = 8, kBadAnswer = 10, kTimeout = 12,
                     kNoMemory = 15, kDestroyed = 16;

}  // namespace cardea::net
