// Addresses: what is one, how it is written, which are equal.
#include <gtest/gtest.h>

#include "net/net.h"

namespace cardea::net {
namespace {

TEST(Address, ParsesAndPrints) {
  const struct {
    const char* text;
    const char* printed;  // null: an error
    const char* ip;
  } rows[] = {
      {"127.0.0.1:80", "127.0.0.1:80", "127.0.0.1"},
      {"0.0.0.0:0", "0.0.0.0:0", "0.0.0.0"},
      {"[::1]:65535", "[::1]:65535", "::1"},
      {"[2001:DB8::1]:443", "[2001:db8::1]:443", "2001:db8::1"},
      {"[::ffff:10.0.0.1]:1", "10.0.0.1:1", "10.0.0.1"},
      {":8080", ":8080", "::"},
      {"[::]:8080", "[::]:8080", "::"},
      {"unix:/run/x.sock", "unix:/run/x.sock", "/run/x.sock"},
      {"unix:@name", "unix:@name", "@name"},
      {"unix:rel", "unix:rel", "rel"},
      {"", nullptr, ""},
      {"127.0.0.1", nullptr, ""},
      {"127.0.0.1:", nullptr, ""},
      {"127.0.0.1:65536", nullptr, ""},
      {"127.0.0.1:99999999999", nullptr, ""},
      {"127.0.0.1:+8", nullptr, ""},
      {"127.0.0.1: 8", nullptr, ""},
      {"127.1:80", nullptr, ""},
      {"0177.0.0.1:80", nullptr, ""},
      {"localhost:80", nullptr, ""},
      {"::1:80", nullptr, ""},
      {"[127.0.0.1]:80", nullptr, ""},
      {"[::1:80", nullptr, ""},
      {"[::1]80", nullptr, ""},
      {"[]:80", nullptr, ""},
      {"[fe80::1%nosuchinterface]:80", nullptr, ""},
      {"unix:", nullptr, ""},
      {"unix:@", nullptr, ""},
  };
  for (auto& row : rows) {
    auto a = Address::parse(row.text);
    ASSERT_EQ(bool(a), row.printed != nullptr) << row.text;
    if (!a) {
      EXPECT_EQ(a.error().code, kEinval);
      EXPECT_NE(a.error().message.find(row.text), std::string::npos);
      continue;
    }
    EXPECT_EQ(a->text(), row.printed);
    EXPECT_EQ(a->ip_text(), row.ip);
    EXPECT_TRUE(*Address::parse(a->text()) == *a) << row.text;
  }
  EXPECT_FALSE(Address::parse("unix:" + std::string(108, 'a')));
  EXPECT_TRUE(Address::parse("unix:" + std::string(107, 'a')));
  EXPECT_FALSE(Address::parse(std::string("unix:/a\0b", 9)));
  EXPECT_FALSE(Address::ip(std::string("1.2.3.4\0x", 9), 1));
  EXPECT_FALSE(Address::ip("", 1));
}

TEST(Address, Compares) {
  const auto at = [](const char* text) { return *Address::parse(text); };
  EXPECT_TRUE(at("127.9.9.9:1").is_loopback());
  EXPECT_TRUE(at("[::1]:1").is_loopback());
  EXPECT_FALSE(at("128.0.0.1:1").is_loopback());
  EXPECT_FALSE(at(":1").is_loopback());
  EXPECT_FALSE(at("unix:/x").is_loopback());
  EXPECT_FALSE(at(":80") == at("[::]:80"));
  EXPECT_TRUE(at(":80").is_dual_stack());
  EXPECT_FALSE(at("[::]:80").is_dual_stack());
  EXPECT_FALSE(at("1.1.1.1:1") == at("1.1.1.1:2"));
  EXPECT_FALSE(at("unix:/x") == at("unix:@x"));
  Address a = at("1.1.1.1:1");
  a.set_port(2);
  EXPECT_TRUE(a == at("1.1.1.1:2"));
  EXPECT_EQ(Address().text(), "");
  EXPECT_TRUE(Address() == Address());
}

}  // namespace
}  // namespace cardea::net
