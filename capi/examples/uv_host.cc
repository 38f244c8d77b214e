// A route served from this program's own uv_loop_t, with a hook that asks another thread:
// c++ -std=c++17 uv_host.cc $(pkg-config --cflags --libs cardea libuv) -pthread
#include <cardea/cardea.hpp>

#include <uv.h>

#include <csignal>
#include <cstdio>
#include <string>

// What this program adds to requests. A function that is not here costs nothing.
struct Host {
  cardea::Decision on_authorize(cardea::Request &r, cardea::Token token) {
    struct Question {  // answered on a thread of libuv's pool, while the loop goes on
      uv_work_t work;
      cardea::Token token;
      std::string who;
    };
    auto *q = new Question{{}, token, std::string(r.header("x-user").value_or(""))};
    q->work.data = q;
    const int failed = uv_queue_work(
        loop, &q->work,
        [](uv_work_t *w) {
          auto *asked = static_cast<Question *>(w->data);
          (void)(asked->who == "ann" ? asked->token.allow(asked->who) : asked->token.deny());
        },
        [](uv_work_t *w, int) { delete static_cast<Question *>(w->data); });
    if (failed) delete q;
    return failed ? cardea::Decision::deny : cardea::Decision::pending;
  }
  void on_request_end(cardea::Request &r) {
    const std::string_view path = r.path(), cause = r.cause();
    printf("%d %.*s %.*s\n", r.status(), int(path.size()), path.data(), int(cause.size()), cause.data());
    fflush(stdout);
  }
  uv_loop_t *loop;
};

static int complain(const cardea::Error &e) {
  fprintf(stderr, "%s\n", e.message());
  return 1;
}

int main(int argc, char **argv) {
  if (argc < 2) return fprintf(stderr, "usage: %s http://HOST:PORT [ADDRESS]\n", argv[0]), 2;
  auto config = cardea::Config::load("address: '" + std::string(argc > 2 ? argv[2] : "127.0.0.1:8080") +
                                         "'\ninsecure_server: true\nroutes:\n- from: http://app.localhost\n  to: '" +
                                         argv[1] + "'\n  policy: [{allow: {and: [{host: staff}]}}]\n",
                                     "uv_host");
  if (!config) return complain(config.error());
  if (auto sealed = config->seal(); !sealed) return complain(sealed.error());

  uv_loop_t loop;
  uv_loop_init(&loop);
  Host host{&loop};
  {
    auto proxy = cardea::Proxy::create(*config, host);
    if (!proxy) return complain(proxy.error());
    auto worker = cardea::Worker::create_on(*proxy, &loop, uv_version());
    if (!worker) return complain(worker.error());
    const std::string at(*worker->bound_address(0));
    printf("serving http://%s\n", at.c_str());
    fflush(stdout);

    uv_signal_t stop;
    uv_signal_init(&loop, &stop);
    stop.data = &worker;
    uv_signal_start(
        &stop,
        [](uv_signal_t *s, int) {
          (void)(*static_cast<cardea::Result<cardea::Worker> *>(s->data))->close();
          uv_close(reinterpret_cast<uv_handle_t *>(s), nullptr);
        },
        SIGTERM);
    uv_run(&loop, UV_RUN_DEFAULT);
  }
  return uv_loop_close(&loop) == 0 ? 0 : 1;
}
