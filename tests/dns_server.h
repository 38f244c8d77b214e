// A DNS server for one test: UDP and TCP on one port, on a thread of its own.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "net/net.h"

namespace cardea::net {

class DnsServer {
 public:
  struct Answer {
    std::vector<std::string> v4, v6;
    uint32_t ttl = 300;
    int rcode = 0, rcode6 = 0;  // the latter for AAAA alone
    bool silent = false;
    std::string alias;  // a CNAME before the addresses
    uint32_t alias_ttl = 300;
    struct Service {
      unsigned priority, weight, port;
      std::string target;
    };
    std::vector<Service> services;  // SRV records
    size_t padding = 0;             // bytes behind the target that belong to no field
    size_t cut = 0;                 // bytes that are missing at the end of the reply
  };

  DnsServer() {
    udp_ = socket(AF_INET, SOCK_DGRAM, 0);
    tcp_ = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof in;
    // TCP first: a port that is free for it is nearly always free for UDP.
    EXPECT_EQ(bind(tcp_, reinterpret_cast<sockaddr*>(&in), size), 0);
    getsockname(tcp_, reinterpret_cast<sockaddr*>(&in), &size);
    EXPECT_EQ(bind(udp_, reinterpret_cast<sockaddr*>(&in), size), 0);
    EXPECT_EQ(listen(tcp_, 16), 0);
    address = Address::from(reinterpret_cast<sockaddr*>(&in), size).text();
    EXPECT_EQ(pipe(stop_), 0);
  }
  void start() {
    thread_ = std::thread([this] { serve(); });
  }
  ~DnsServer() {
    EXPECT_EQ(write(stop_[1], "x", 1), 1);
    if (thread_.joinable()) thread_.join();
    for (int fd : {udp_, tcp_, stop_[0], stop_[1]}) close(fd);
  }

  std::string address;
  std::map<std::string, Answer> names;  // fixed before start()
  std::atomic<int> udp_queries{0}, tcp_queries{0}, a_queries{0}, aaaa_queries{0}, srv_queries{0};
  std::mutex mutex;
  std::vector<int> ports;  // where UDP questions came from

 private:
  static void put16(std::string& s, unsigned v) {
    s += char(v >> 8);
    s += char(v);
  }
  static void put32(std::string& s, uint32_t v) {
    put16(s, v >> 16);
    put16(s, v & 0xffff);
  }
  static std::string labels(const std::string& name) {
    std::string out;
    for (size_t at = 0; at < name.size() && name != ".";) {
      const size_t dot = std::min(name.find('.', at), name.size());
      out += char(dot - at);
      out += name.substr(at, dot - at);
      at = dot + 1;
    }
    return out + '\0';
  }
  std::string reply(const std::string& q, size_t limit) {
    if (q.size() < 17) return {};
    std::string name;
    size_t at = 12;
    while (at < q.size() && q[at] != 0) {
      if (!name.empty()) name += '.';
      name += q.substr(at + 1, size_t(q[at]));
      at += size_t(q[at]) + 1;
    }
    const size_t end = at + 5;
    const int type = (uint8_t(q[at + 1]) << 8) | uint8_t(q[at + 2]);
    ++(type == 1 ? a_queries : type == 28 ? aaaa_queries : srv_queries);
    const auto found = names.find(name);
    Answer answer;
    answer.rcode = 3;
    if (found != names.end()) answer = found->second;
    if (answer.silent) return {};
    if (type == 28 && answer.rcode6 != 0) answer.rcode = answer.rcode6;
    std::string records;
    int count = 0;
    std::string owner = "\xc0\x0c";
    if (!answer.alias.empty()) {
      const std::string target = labels(answer.alias);
      records += owner;
      put16(records, 5);
      put16(records, 1);
      put32(records, answer.alias_ttl);
      put16(records, unsigned(target.size()));
      records += target;
      owner = target;
      ++count;
    }
    for (auto& service : answer.services) {
      if (type != 33) break;
      const std::string target = labels(service.target);
      records += owner;
      put16(records, 33);
      put16(records, 1);
      put32(records, answer.ttl + uint32_t(count));
      put16(records, unsigned(6 + target.size() + answer.padding));
      for (unsigned n : {service.priority, service.weight, service.port}) put16(records, n);
      records += target + std::string(answer.padding, 'x');
      ++count;
    }
    for (auto& text : type == 1 ? answer.v4 : answer.v6) {
      if (type == 33) break;
      records += owner;
      put16(records, unsigned(type));
      put16(records, 1);
      put32(records, answer.ttl + uint32_t(count));
      char raw[16];
      inet_pton(type == 1 ? AF_INET : AF_INET6, text.c_str(), raw);
      put16(records, type == 1 ? 4 : 16);
      records.append(raw, type == 1 ? 4 : 16);
      ++count;
    }
    const bool truncated = end + records.size() > limit;
    std::string r = q.substr(0, 2);
    put16(r, 0x8180u | unsigned(answer.rcode) | (truncated ? 0x0200 : 0));
    put16(r, 1);
    put16(r, truncated ? 0 : unsigned(count));
    put32(r, 0);
    if (answer.cut < records.size()) records.resize(records.size() - answer.cut);
    return r + q.substr(12, end - 12) + (truncated ? "" : records);
  }
  void serve() {
    for (;;) {
      pollfd p[3] = {{udp_, POLLIN, 0}, {tcp_, POLLIN, 0}, {stop_[0], POLLIN, 0}};
      poll(p, 3, -1);
      if (p[2].revents) return;
      char buf[2048];
      if (p[0].revents) {
        sockaddr_in from{};
        socklen_t size = sizeof from;
        const ssize_t n = recvfrom(udp_, buf, sizeof buf, 0, reinterpret_cast<sockaddr*>(&from), &size);
        ++udp_queries;
        {
          std::lock_guard<std::mutex> lock(mutex);
          ports.push_back(ntohs(from.sin_port));
        }
        const std::string r = reply(std::string(buf, n > 0 ? size_t(n) : 0), 512);
        if (!r.empty()) sendto(udp_, r.data(), r.size(), 0, reinterpret_cast<sockaddr*>(&from), size);
      }
      if (p[1].revents) {
        const int fd = accept(tcp_, nullptr, nullptr);
        // Questions until the other side closes; each fits one read in these tests.
        ssize_t n;
        while ((n = read(fd, buf, 2)) == 2) {
          const size_t size = size_t(uint8_t(buf[0]) << 8 | uint8_t(buf[1]));
          size_t have = 0;
          while (have < size && (n = read(fd, buf + have, size - have)) > 0) have += size_t(n);
          ++tcp_queries;
          const std::string r = reply(std::string(buf, size), 65535);
          std::string framed;
          put16(framed, unsigned(r.size()));
          framed += r;
          if (r.empty() || send(fd, framed.data(), framed.size(), MSG_NOSIGNAL) < 0) break;
          pollfd more[2] = {{fd, POLLIN, 0}, {stop_[0], POLLIN, 0}};
          poll(more, 2, 1000);
          if (!more[0].revents) break;
        }
        close(fd);
      }
    }
  }

  int udp_, tcp_, stop_[2];
  std::thread thread_;
};

}  // namespace cardea::net
