// Every fault of a configuration and its place; what must never load.
#include <gtest/gtest.h>

#include <string>

#include "config_fault_rows.h"
#include "config_fixture.h"

namespace cardea::config {
namespace {

TEST(Faults, Text) {
  for (const FaultRow& row : kTextFaults) EXPECT_EQ(load_text(row.lines).faults, row.fault) << row.lines;
  EXPECT_EQ(load_text(kListener + kRoutes + "policy: [{from: https://c, to: http://d}]\n").faults,
            "f:6:9: policy: is the old name of routes, which is there too");
}

TEST(Faults, Global) {
  for (const FaultRow& row : kGlobalFaults) {
    std::string faults = with_global(row.lines).faults;
    if (row.fault) {
      EXPECT_EQ(faults, row.fault) << row.lines;
    } else {
      EXPECT_NE(faults, "") << row.lines;
    }
  }
}

TEST(Faults, Listener) {
  for (const FaultRow& row : kListenerFaults) EXPECT_EQ(load_text(row.lines + kRoutes).faults, row.fault) << row.lines;
}

TEST(Faults, Route) {
  for (const FaultRow& row : kRouteFaults) {
    std::string faults = with_route(row.lines).faults;
    if (row.fault) {
      EXPECT_EQ(faults, row.fault) << row.lines;
    } else {
      EXPECT_EQ(faults.substr(0, 4), "f:6:") << row.lines << " " << faults;
    }
  }
}

TEST(Faults, FromAndTo) {
  for (const FaultRow& row : kEndFaults) {
    std::string want = row.fault;
    if (want.back() == '\n') want.pop_back();
    EXPECT_EQ(load_text(kListener + "routes:\n" + row.lines).faults, want) << row.lines;
  }
}

TEST(Faults, EqualRoutes) {
  std::string faults =
      load_text(kListener + "routes:\n- {from: https://a, to: http://b}\n- {from: https://A, to: http://c}\n").faults;
  EXPECT_EQ(faults.find("f:5:10: routes[1]: "), 0u) << faults;
}

TEST(Faults, AllAtOnceInOrder) {
  EXPECT_EQ(load_text("address: nowhere\n"
                      "insecure_server: yes\n"
                      "timeout_read: fast\n"
                      "autocert: true\n"
                      "colour: red\n"
                      "set_response_headers: {a: '${x'}\n"
                      "routes:\n"
                      "- from: https://a.example/x\n"
                      "  to: gopher://b\n"
                      "  timeout: 1\n"
                      "  depends_on: true\n"
                      "- to: [http://b, 'http://c,1']\n"
                      "  prefix: x\n"
                      "  prefix: /y\n")
                .faults.find("f:1:10: address: "),
            0u);
  std::string faults = load_text(
                           "insecure_server: yes\n"
                           "timeout_read: fast\n"
                           "autocert: true\n"
                           "colour: red\n"
                           "routes:\n"
                           "- from: https://a.example/x\n"
                           "  to: gopher://b\n"
                           "  timeout: 1\n"
                           "  depends_on: true\n"
                           "- to: [http://b, 'http://c,1']\n"
                           "  prefix: x\n"
                           "  prefix: /y\n")
                           .faults;
  EXPECT_EQ(faults,
            "f:1:18: insecure_server: must be true or false, not a boolean (yes)\n"
            "f:2:15: timeout_read: must be a duration such as 500ms, 30s or 1h30m: 'fast' has no number\n"
            "f:3:1: autocert: not supported by cardea: autocert\n"
            "f:4:1: colour: unknown key\n"
            "f:6:9: routes[0].from: may not have a path or a query: use prefix, path or regex\n"
            "f:7:7: routes[0].to: must begin with http://, https://, h2c://, srv://, http+unix:// or https+unix://\n"
            "f:8:12: routes[0].timeout: must be a duration such as 500ms, 30s or 1h30m: '1' has no unit\n"
            "f:9:3: routes[0].depends_on: not supported yet: depends_on\n"
            "f:10:3: routes[1]: has no from\n"
            "f:10:7: routes[1].to: needs a weight for every URL or for none\n"
            "f:11:11: routes[1].prefix: must begin with /\n"
            "f:12:3: routes[1].prefix: duplicate key, first used in line 11");
}

TEST(Faults, NothingOpensByMistake) {
  // Each of these looks as if it opened the route and must not load.
  for (const char* lines : {
           "allow_public_unauthenticated_access: 'true'",
           "allow_public_unauthenticated_access: 1",
           "allow_public_unauthenticated_acces: true",
           "allow_any_authenticated_users: true",
           "policy: {allow: {or: [{accept: true, reject: true}]}}",
           "policy: {allow: {xor: [{accept: true}]}}",
           "policy: {allow: [{accept: true}]}",
           "policy: true",
           "policy: {allow: {or: [{email: {iz: a@b}}]}}",
       }) {
    EXPECT_FALSE(with_route(lines).snapshot) << lines;
  }
}

TEST(Faults, HostileText) {
  std::string bomb = "a: &a [x,x,x,x,x,x,x,x,x,x]\n";
  for (char c = 'b'; c < 'k'; ++c) {
    char before = static_cast<char>(c - 1);
    bomb += std::string(1, c) + ": &" + c + " [";
    for (int i = 0; i < 10; ++i) bomb += std::string("*") + before + " ,";
    bomb += "]\n";
  }
  EXPECT_NE(load_text(bomb).faults.find("anchors and aliases expand"), std::string::npos);
  EXPECT_NE(load_text(std::string(200, '[')).faults, "");
  EXPECT_NE(load_text("a: !!str b\n").faults.find("tags are not allowed"), std::string::npos);
  // A forged line: what the file says cannot pretend to be another fault.
  EXPECT_EQ(load_text(kListener + kRoutes + "\"x\\nf:1:1: y\": 1\n").faults, "f:6:1: x\\x0af:1:1: y: unknown key");
}

}  // namespace
}  // namespace cardea::config
