// traceparent and tracestate: what passes, and what is replaced.
#include "route/trace.h"

#include <gtest/gtest.h>

#include <set>

namespace cardea::route {
namespace {

using Names = std::vector<std::pair<std::string, std::string>>;

const std::string kId = "4bf92f3577b34da6a3ce929d0e0e4736", kParent = "00f067aa0ba902b7";
const std::string kGood = "00-" + kId + "-" + kParent + "-01";

struct Traced {
  std::string parent;
  Names fields;
};

Traced trace(const Names& sent, Random& random) {
  auto head = http::make_request();
  for (const auto& [name, value] : sent) head->fields.add(name, value);
  Traced out;
  const Bytes parent = traceparent_of(*head, random);
  EXPECT_EQ(head->fields.size(), sent.size()) << "nothing is changed before it goes up";
  out.parent = parent;
  apply_trace(head->fields, parent);
  for (const http::Field& f : head->fields) out.fields.push_back({std::string(f.name), std::string(f.value)});
  return out;
}

TEST(Trace, ValidOnesPassAsTheyCame) {
  const Names rows = {
      {kGood, ""},
      {"00-" + kId + "-" + kParent + "-00", "a=1"},
      {"00-" + kId + "-" + kParent + "-ff", "a=1,b=2"},  // flags to come
      {"00-00000000000000000000000000000001-0000000000000001-00", ""},
      {"01-" + kId + "-" + kParent + "-01", ""},  // versions to come
      {"fe-" + kId + "-" + kParent + "-01-what-comes", "a=1"},
      {"cc-" + kId + "-" + kParent + "-01-", ""},
  };
  Random random(1);
  for (const auto& [parent, state] : rows) {
    Names sent = {{"Accept", "x"}, {"TraceParent", parent}};
    if (!state.empty()) sent.push_back({"tracestate", state});
    const Traced traced = trace(sent, random);
    EXPECT_EQ(traced.parent, parent);
    EXPECT_EQ(traced.fields, sent) << parent;
  }
}

TEST(Trace, SeveralFieldsOfTracestatePassToo) {
  Random random(1);
  const Names sent = {{"tracestate", "a=1"}, {"traceparent", kGood}, {"tracestate", "b=2"}};
  EXPECT_EQ(trace(sent, random).fields, sent);
}

TEST(Trace, OthersAreReplacedAndTheirStateGoes) {
  const std::string zero_id(32, '0'), zero_parent(16, '0');
  std::string upper = kGood;
  upper[5] = 'F';
  std::string with_nul = kGood;
  with_nul[40] = '\0';
  const std::vector<std::vector<std::string>> rows = {
      {},
      {""},
      {" "},
      {"00"},
      {"00-"},
      {"00-" + kId},
      {"00-" + zero_id + "-" + kParent + "-01"},
      {"00-" + kId + "-" + zero_parent + "-01"},
      {"00-" + zero_id + "-" + zero_parent + "-01"},
      {"ff-" + kId + "-" + kParent + "-01"},
      {"FF-" + kId + "-" + kParent + "-01"},
      {"0A-" + kId + "-" + kParent + "-01"},
      {"0g-" + kId + "-" + kParent + "-01"},
      {upper},
      {with_nul},
      {"00-" + kId + "-00F067aa0ba902b7-01"},
      {"00-" + kId + "-" + kParent + "-0A"},
      {"00-" + kId + "-" + kParent + "-0"},
      {"00-" + kId + "-" + kParent + "-0x"},
      {"00-" + kId + "-" + kParent + "-"},
      {"00-" + kId + "-" + kParent},
      {kGood + "1"},
      {kGood + "-"},
      {kGood + "-more"},
      {kGood + " "},
      {" " + kGood},
      {"01-" + kId + "-" + kParent + "-011"},
      {"01-" + kId + "-" + kParent + "-01.more"},
      {"00_" + kId + "_" + kParent + "_01"},
      {"00-" + kId + "-" + kParent + "_01"},
      {"00-" + kId + "0" + kParent + "-01"},
      {"00-" + kId.substr(1) + "--" + kParent + "-01"},
      {"00-" + kId.substr(1) + "-" + kParent + "-01"},
      {"00-g" + kId.substr(1) + "-" + kParent + "-01"},
      {"00-" + kId + "-\xff" + kParent.substr(1) + "-01"},
      {kGood + "," + kGood},
      {kGood, kGood},
      {kGood, ""},
      {"", kGood},
      {kGood, "rubbish"},
      {std::string(60'000, '0')},
      {std::string(60'000, '-')},
  };
  Random random(7);
  std::set<std::string> made;
  for (const auto& parents : rows) {
    Names sent = {{"tracestate", "a=1"}, {"accept", "x"}};
    for (const std::string& p : parents) sent.push_back({"Traceparent", p});
    sent.push_back({"TRACESTATE", "b=2"});
    const Traced traced = trace(sent, random);
    const std::string& p = traced.parent;
    ASSERT_EQ(traced.fields, (Names{{"accept", "x"}, {"traceparent", p}}));
    ASSERT_EQ(p.size(), 55u);
    EXPECT_EQ(p.substr(0, 3), "00-");
    EXPECT_EQ(p.substr(52), "-00") << "not sampled";
    EXPECT_TRUE(made.insert(p.substr(3, 32)).second);
    EXPECT_EQ(trace({{"traceparent", p}}, random).parent, p) << "and is valid itself";
  }
}

}  // namespace
}  // namespace cardea::route
