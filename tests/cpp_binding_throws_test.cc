// The wrapper with exceptions, in one program with files that use it without them.
#define CARDEA_HPP_EXCEPTIONS
#include "cpp_binding.h"

namespace {

template <class F>
int code_of(F fn) {
  try {
    fn();
  } catch (const cardea::Failure& e) {
    CHECK(std::string(e.name()).rfind("CARDEA_E", 0) == 0 && *e.what());
    return e.code();
  }
  return CARDEA_OK;
}

void failures_are_thrown() {
  SAME(code_of([] { cardea::Config::load("nonsense: 1", "mine.yaml"); }), CARDEA_ECONFIG);
  SAME(code_of([] { cardea::Config::create().set("nothing", 1); }), CARDEA_ENOTFOUND);
  SAME(code_of([] { cardea::Worker().step(); }), CARDEA_EINVAL);
  const std::string text = "address: 127.0.0.1:0\ninsecure_server: true\nroutes: [{from: 'http://app.test', to: '" +
                           std::string(origin_url()) + "', allow_public_unauthenticated_access: true}]\n";
  cardea::Config config = cardea::Config::load(text, "mine.yaml");
  SAME(code_of([&] { cardea::Proxy::create(config); }), CARDEA_EINVAL);
  config.seal();
  int ended = 0;
  cardea::Hooks hooks;
  hooks.request_end = [&](cardea::Request& r) { ended += r.status() == 200; };
  {
    cardea::Proxy proxy = cardea::Proxy::create(config, std::move(hooks));
    cardea::Worker worker = cardea::Worker::start_thread(proxy);
    client c;
    client_open(&c, worker.bound_port(0));
    client_get(&c, "/", 1);
    client_wait(&c);
    SAYS(c.text, "200 OK");
    client_close(&c);
  }
  SAME(ended, 1);
}

}  // namespace

const test_case throwing_cases[] = {{"failures_are_thrown", failures_are_thrown}, {nullptr, nullptr}};
